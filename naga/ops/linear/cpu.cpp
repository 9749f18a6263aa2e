// Products with packed weights: y = x Wᵀ for any number of rows, a row's bits always the same.
//
// A weight (N, K) is cut into panels of PANEL columns of y, each laid out as the loop reads it:
// float32 as (K, PANEL), bfloat16 as (K / 2, PANEL, 2), zeros beyond N and K. One accumulator for
// each element of y takes the terms in the order of K, whatever the number of rows computed
// together, so that tiles are a matter of speed alone. bfloat16 pairs go through VDPBF16PS where
// there is one (it flushes denormals, of inputs and sums), else through float32 products.

namespace naga {
namespace NAGA_ISA {
namespace linear_detail {

#if defined(__AVX512F__)
constexpr int VECTORS = 4, TILE = 6;  // 24 accumulators, 4 weights, 1 input: 29 of 32 registers
#else
constexpr int VECTORS = 2, TILE = 4;
#endif
constexpr Index PANEL = VECTORS * Floats::width;

constexpr Index panels_of(Index rows) { return (rows + PANEL - 1) / PANEL; }
// K as stored: bfloat16 in pairs.
template <class E> constexpr Index depth_of(Index columns) {
    return sizeof(E) == 2 ? columns + columns % 2 : columns;
}
template <class E> std::size_t packed_bytes(Index rows, Index columns) {
    return std::size_t(panels_of(rows) * PANEL * depth_of<E>(columns)) * sizeof(E);
}

// Where the packed weight holds W[n][k].
template <class E> Index place(Index n, Index k, Index columns) {
    constexpr Index together = sizeof(E) == 2 ? 2 : 1;
    Index panel = n / PANEL * PANEL * depth_of<E>(columns);
    return panel + (k / together * PANEL + n % PANEL) * together + k % together;
}

// Panels [first, last).
template <class E>
void pack(const void* weight, Index rows, Index columns, Index first, Index last, void* packed) {
    const E* from = static_cast<const E*>(weight);
    E* to = static_cast<E*>(packed);
    const Index panel = PANEL * depth_of<E>(columns);
    std::memset(to + first * panel, 0, std::size_t((last - first) * panel) * sizeof(E));
    for (Index n = first * PANEL; n < rows && n < last * PANEL; ++n)
        for (Index k = 0; k < columns; ++k) to[place<E>(n, k, columns)] = from[n * columns + k];
}

template <class E> void packed_row(const Matrix& matrix, Index row, void* out) {
    const E* from = static_cast<const E*>(matrix.data);
    E* to = static_cast<E*>(out);
    for (Index k = 0; k < matrix.columns; ++k) to[k] = from[place<E>(row, k, matrix.columns)];
}

template <int ROWS> using Tile = Floats[ROWS][VECTORS];

template <int ROWS>
void accumulate(const float* x, Index stride, Index columns, const float* panel, Tile<ROWS>& sums) {
    for (Index k = 0; k < columns; ++k) {
        Floats weights[VECTORS];
        for (int v = 0; v < VECTORS; ++v) weights[v] = load(panel + k * PANEL + v * Floats::width);
        for (int r = 0; r < ROWS; ++r) {
            Floats input = broadcast(x[r * stride + k]);
            for (int v = 0; v < VECTORS; ++v) sums[r][v] = fma(weights[v], input, sums[r][v]);
        }
    }
}

// Adds one pair of columns; a missing second one counts as zero.
template <int ROWS>
inline void accumulate_pair(const bfloat16* const (&rows)[ROWS], Index k, bool whole,
                            const bfloat16* pair, Tile<ROWS>& sums) {
#if defined(__AVX512BF16__)
    __m512bh weights[VECTORS];
    for (int v = 0; v < VECTORS; ++v)
        weights[v] = (__m512bh)_mm512_loadu_si512(pair + 2 * v * Floats::width);
    for (int r = 0; r < ROWS; ++r) {
        std::uint32_t word = rows[r][k];
        if (whole) std::memcpy(&word, rows[r] + k, 4);
        __m512bh input = (__m512bh)_mm512_set1_epi32(int(word));
        for (int v = 0; v < VECTORS; ++v)
            sums[r][v].v = _mm512_dpbf16_ps(sums[r][v].v, weights[v], input);
    }
#else
    for (int v = 0; v < VECTORS; ++v) {
        Floats first = even(pair + 2 * v * Floats::width);
        Floats second = odd(pair + 2 * v * Floats::width);
        for (int r = 0; r < ROWS; ++r) {
            sums[r][v] = fma(first, broadcast(widen(rows[r][k])), sums[r][v]);
            if (whole) sums[r][v] = fma(second, broadcast(widen(rows[r][k + 1])), sums[r][v]);
        }
    }
#endif
}

template <int ROWS>
void accumulate(const bfloat16* x, Index stride, Index columns, const bfloat16* panel,
                Tile<ROWS>& sums) {
    const bfloat16* rows[ROWS];
    for (int r = 0; r < ROWS; ++r) rows[r] = x + r * stride;
#if defined(__AVX512F__)
    // A copy stays in registers; what a reference names is stored at every pair. With AVX2's
    // sixteen registers the copy would be spilled instead.
    Tile<ROWS> own;
    std::memcpy(&own, &sums, sizeof own);
#else
    Tile<ROWS>& own = sums;
#endif
    Index k = 0;
    for (; k + 2 <= columns; k += 2) accumulate_pair<ROWS>(rows, k, true, panel + k * PANEL, own);
    if (k < columns) accumulate_pair<ROWS>(rows, k, false, panel + k * PANEL, own);
    if (&own != &sums) std::memcpy(&sums, &own, sizeof own);
}

template <class E>
void put(const Product& product, Index row, Index column, Floats sum, int count) {
    if (product.store == Store::wide) {
        float* y = static_cast<float*>(product.y) + row * product.y_stride + column;
        store_some(y, sum * broadcast(product.scale), count);
        return;
    }
    E* y = static_cast<E*>(product.y) + row * product.y_stride + column;
    if (product.store == Store::add) {
        Floats scaled = rounded<E>(rounded<E>(sum) * broadcast(product.scale));
        sum = load_some(y, count) + scaled;
    }
    store_some(y, sum, count);
}

template <class E, int ROWS> void tile(const Product& product, Index row, Index panel) {
    const Matrix& matrix = *product.matrix;
    const E* x = static_cast<const E*>(product.x) + row * product.x_stride;
    const E* weights = static_cast<const E*>(matrix.data) +
                       panel * PANEL * depth_of<E>(matrix.columns);
    Tile<ROWS> sums;
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < VECTORS; ++v) sums[r][v] = zeros();
    accumulate<ROWS>(x, product.x_stride, matrix.columns, weights, sums);
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < VECTORS; ++v) {
            Index column = panel * PANEL + v * Floats::width;
            Index left = matrix.rows - column;
            if (left > 0)
                put<E>(product, row + r, column, sums[r][v],
                       int(left < Floats::width ? left : Floats::width));
        }
}

// Rows of the next tile, at most TILE: those left in tiles as even as can be, since the sums of one
// or two rows are too few to hide how long each takes.
inline Index even_share(Index left, Index most) {
    Index tiles = (left + most - 1) / most;
    return (left + tiles - 1) / tiles;
}

template <class E, int ROWS = TILE>
void some_rows(const Product& product, Index row, Index panel, Index count) {
    if (count == ROWS) tile<E, ROWS>(product, row, panel);
    else if constexpr (ROWS > 1) some_rows<E, ROWS - 1>(product, row, panel, count);
}

template <class E> void multiply(const Product& product, Index first, Index last) {
    for (Index panel = first; panel < last; ++panel)
        for (Index row = 0, count; row < product.rows; row += count) {
            count = even_share(product.rows - row, TILE);
            some_rows<E>(product, row, panel, count);
        }
}

inline void wide_product(const float* x, Index, Index columns, const float* weight, Index out,
                         float* y, Index first_row, Index last_row) {
    for (Index row = first_row; row < last_row; ++row)
        for (Index n = 0; n < out; ++n) {
            Floats total = zeros();
            for_vectors(columns, [&](Index k, int count) {
                total = fma(load_some(x + row * columns + k, count),
                            load_some(weight + n * columns + k, count), total);
            });
            y[row * out + n] = sum(total);
        }
}

}  // namespace linear_detail

}  // namespace NAGA_ISA
}  // namespace naga
