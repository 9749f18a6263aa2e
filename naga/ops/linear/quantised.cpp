// Products with int8 and int4 weights: whole numbers within a group, float32 across groups.
//
// A panel holds PANEL columns of y. For each group of K it stores PANEL scales (bfloat16), then the
// weights as unsigned bytes w + OFFSET, four of K in a lane: (group / 4, PANEL, 4); int4 holds two
// such planes in the halves of one. Rows of x are rounded to int8 with one float32 scale a group.
// Sums within a group are exact integers, groups are added in order: a row's bits depend on nothing
// but the row. Included after linear's cpu.cpp.

#include <limits>

namespace naga {
namespace NAGA_ISA {
namespace quantised_detail {

constexpr int VECTORS = 2;
#if defined(__AVX512F__)
constexpr int TILE = 6;
#else
constexpr int TILE = 2;
#endif
constexpr Index PANEL = VECTORS * Floats::width;

constexpr Index divide_up(Index a, Index b) { return (a + b - 1) / b; }
inline Index groups_of(const Matrix& m) { return divide_up(m.columns, m.group); }
inline Index plane_bytes() { return PANEL * 4; }
inline Index planes_of(const Matrix& m) { return m.group / (m.format == Format::int4 ? 8 : 4); }
// Scales and planes of one group of one panel.
inline Index group_bytes(const Matrix& m) { return 2 * PANEL + planes_of(m) * plane_bytes(); }
inline Index panel_bytes(const Matrix& m) { return groups_of(m) * group_bytes(m); }
inline int offset_of(Format format) { return format == Format::int4 ? 8 : 128; }

// Where W[n][k] lies within its group: its byte, and its half of it.
struct Place {
    Index byte;
    bool high;
};
inline Place place(const Matrix& m, Index n, Index k) {
    Index quad = k / 4, plane = quad;
    if (m.format == Format::int4) plane = quad / 2;
    return {2 * PANEL + plane * plane_bytes() + n * 4 + k % 4,
            m.format == Format::int4 && quad % 2 == 1};
}

// The scale of some weights: int8 maps the largest to 127, int4 the one of largest size to -8.
template <class E> bfloat16 scale_of(const E* weights, Index count, Format format) {
    float largest = 0;
    for (Index k = 0; k < count; ++k)
        if (std::fabs(widen(weights[k])) > std::fabs(largest)) largest = widen(weights[k]);
    return to_bfloat16(format == Format::int4 ? largest / -8 : std::fabs(largest) / 127);
}

inline int whole(float weight, float scale, Format format) {
    if (scale == 0) return 0;
    int most = format == Format::int4 ? 7 : 127, least = format == Format::int4 ? -8 : -127;
    float nearest = std::nearbyint(weight / scale);
    return nearest > most ? most : nearest < least ? least : int(nearest);
}

template <class E>
void pack_group(const E* weights, Index count, const Matrix& m, Index n, std::uint8_t* group) {
    bfloat16 scale = scale_of(weights, count, m.format);
    std::memcpy(group + 2 * n, &scale, 2);
    for (Index k = 0; k < m.group; ++k) {
        int value = k < count ? whole(widen(weights[k]), widen(scale), m.format) : 0;
        Place at = place(m, n, k);
        group[at.byte] |= std::uint8_t((value + offset_of(m.format)) << (at.high ? 4 : 0));
    }
}

template <class E> void pack(const E* weight, const Matrix& m, std::uint8_t* packed) {
    std::memset(packed, 0, std::size_t(divide_up(m.rows, PANEL) * panel_bytes(m)));
    for (Index n = 0; n < m.rows; ++n)
        for (Index g = 0; g < groups_of(m); ++g) {
            Index first = g * m.group, left = m.columns - first;
            pack_group(weight + n * m.columns + first, left < m.group ? left : m.group, m,
                       n % PANEL, packed + n / PANEL * panel_bytes(m) + g * group_bytes(m));
        }
}

template <class E> void packed_row(const Matrix& m, Index row, E* out) {
    const std::uint8_t* panel = static_cast<const std::uint8_t*>(m.data) +
                                row / PANEL * panel_bytes(m);
    for (Index k = 0; k < m.columns; ++k) {
        const std::uint8_t* group = panel + k / m.group * group_bytes(m);
        bfloat16 scale;
        std::memcpy(&scale, group + row % PANEL * 2, 2);
        Place at = place(m, row % PANEL, k % m.group);
        int stored = group[at.byte];
        if (m.format == Format::int4) stored = at.high ? stored >> 4 : stored & 15;
        narrow(float(stored - offset_of(m.format)) * widen(scale), out[k]);
    }
}

template <class E>
void quantise_group(const E* x, Index count, Index group, std::int8_t* values, float& scale,
                    std::int32_t& total) {
    float peak = 0;
    bool finite = true;
    for (Index k = 0; k < count; ++k) {
        float size = std::fabs(widen(x[k]));
        finite &= size <= std::numeric_limits<float>::max();
        peak = size > peak ? size : peak;
    }
    scale = finite ? peak / 127 : std::numeric_limits<float>::quiet_NaN();
    // Below, 127 / peak would be infinite: such a group is zero.
    float inverse = finite && peak > 1e-30f ? 127 / peak : 0;
    total = 0;
    for (Index k = 0; k < group; ++k) {
        float nearest = k < count && inverse > 0 ? std::nearbyint(widen(x[k]) * inverse) : 0;
        values[k] = std::int8_t(nearest);
        total += values[k];
    }
}

template <class E>
void quantise(const void* x, Index x_stride, Index columns, Index group, Index first, Index last,
              const Quantised& out) {
    Index groups = divide_up(columns, group);
    for (Index row = first; row < last; ++row)
        for (Index g = 0; g < groups; ++g) {
            Index left = columns - g * group, at = row * groups + g;
            quantise_group(static_cast<const E*>(x) + row * x_stride + g * group,
                           left < group ? left : group, group, out.values + at * group,
                           out.scales[at], out.totals[at]);
        }
}

// Adds one plane of four of K, or in int4 two of them.
template <int ROWS, Format FORMAT>
inline void add_plane(const std::uint8_t* plane, const std::int8_t* const (&rows)[ROWS],
                      Sums (&sums)[ROWS][VECTORS]) {
    for (int v = 0; v < VECTORS; ++v) {
        Bytes weights = load_bytes(plane + v * Floats::width * 4);
        if (FORMAT == Format::int8) {
            for (int r = 0; r < ROWS; ++r)
                sums[r][v] = dot(sums[r][v], weights, broadcast_bytes(rows[r]));
            continue;
        }
        Bytes low = low_halves(weights), high = high_halves(weights);
        for (int r = 0; r < ROWS; ++r) {
            sums[r][v] = dot(sums[r][v], low, broadcast_bytes(rows[r]));
            sums[r][v] = dot(sums[r][v], high, broadcast_bytes(rows[r] + 4));
        }
    }
}

template <int ROWS, Format FORMAT>
void accumulate(const Product& product, Index row, const std::uint8_t* panel,
                Floats (&totals)[ROWS][VECTORS]) {
    const Matrix& m = *product.matrix;
    const Index groups = groups_of(m), planes = planes_of(m);
    constexpr int step = FORMAT == Format::int4 ? 8 : 4, offset = FORMAT == Format::int4 ? 8 : 128;
    for (Index g = 0; g < groups; ++g, panel += group_bytes(m)) {
        const std::int8_t* rows[ROWS];
        Sums sums[ROWS][VECTORS];
        for (int r = 0; r < ROWS; ++r) {
            Index at = (row + r) * groups + g;
            rows[r] = product.quantised.values + at * m.group;
            Sums start = sums_of(-offset * product.quantised.totals[at]);
            for (int v = 0; v < VECTORS; ++v) sums[r][v] = start;
        }
        const std::uint8_t* plane = panel + 2 * PANEL;
        for (Index p = 0; p < planes; ++p, plane += plane_bytes()) {
            add_plane<ROWS, FORMAT>(plane, rows, sums);
            for (int r = 0; r < ROWS; ++r) rows[r] += step;
        }
        for (int v = 0; v < VECTORS; ++v) {
            const bfloat16* scales = reinterpret_cast<const bfloat16*>(panel) + v * Floats::width;
            Floats weight_scale = load(scales);
            for (int r = 0; r < ROWS; ++r) {
                Floats scale = weight_scale *
                               broadcast(product.quantised.scales[(row + r) * groups + g]);
                totals[r][v] = fma(to_floats(sums[r][v]), scale, totals[r][v]);
            }
        }
    }
}

template <class E, int ROWS> void tile(const Product& product, Index row, Index panel) {
    const Matrix& m = *product.matrix;
    const std::uint8_t* data = static_cast<const std::uint8_t*>(m.data) + panel * panel_bytes(m);
    Floats totals[ROWS][VECTORS];
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < VECTORS; ++v) totals[r][v] = zeros();
    if (m.format == Format::int4) accumulate<ROWS, Format::int4>(product, row, data, totals);
    else accumulate<ROWS, Format::int8>(product, row, data, totals);
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < VECTORS; ++v) {
            Index column = panel * PANEL + v * Floats::width, left = m.rows - column;
            if (left > 0)
                linear_detail::put<E>(product, row + r, column, totals[r][v],
                                      int(left < Floats::width ? left : Floats::width));
        }
}

template <class E, int ROWS> void tail(const Product& product, Index row, Index panel) {
    if (product.rows - row == ROWS) tile<E, ROWS>(product, row, panel);
    else if constexpr (ROWS > 1) tail<E, ROWS - 1>(product, row, panel);
}

template <class E> void multiply(const Product& product, Index first, Index last) {
    for (Index panel = first; panel < last; ++panel) {
        Index row = 0;
        for (; row + TILE <= product.rows; row += TILE) tile<E, TILE>(product, row, panel);
        tail<E, TILE - 1>(product, row, panel);
    }
}

}  // namespace quantised_detail

namespace linear_choice {

inline bool quantised(const Matrix& m) { return m.format != Format::element; }

inline Index panels(const Matrix& m) {
    Index columns = quantised(m) ? quantised_detail::PANEL : linear_detail::PANEL;
    return quantised_detail::divide_up(m.rows, columns);
}

template <class E> std::size_t packed_bytes(const Matrix& m) {
    if (!quantised(m)) return linear_detail::packed_bytes<E>(m.rows, m.columns);
    return std::size_t(panels(m) * quantised_detail::panel_bytes(m));
}

template <class E> void pack(const void* weight, const Matrix& m, void* packed) {
    if (!quantised(m)) return linear_detail::pack<E>(weight, m.rows, m.columns, packed);
    quantised_detail::pack(static_cast<const E*>(weight), m, static_cast<std::uint8_t*>(packed));
}

template <class E> void packed_row(const Matrix& m, Index row, void* out) {
    if (!quantised(m)) return linear_detail::packed_row<E>(m, row, out);
    quantised_detail::packed_row(m, row, static_cast<E*>(out));
}

template <class E> void product(const Product& product, Index first, Index last) {
    if (!quantised(*product.matrix)) return linear_detail::multiply<E>(product, first, last);
    quantised_detail::multiply<E>(product, first, last);
}

}  // namespace linear_choice

template <class E> void fill_linear(Kernels& table) {
    table.panel = linear_detail::PANEL;
    table.panels = linear_choice::panels;
    table.packed_bytes = linear_choice::packed_bytes<E>;
    table.pack = linear_choice::pack<E>;
    table.quantise = quantised_detail::quantise<E>;
    table.packed_row = linear_choice::packed_row<E>;
    table.product = linear_choice::product<E>;
    table.wide_product = linear_detail::wide_product;
}

}  // namespace NAGA_ISA
}  // namespace naga
