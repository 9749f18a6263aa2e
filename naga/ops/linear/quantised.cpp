// Products with int8 and int4 weights: whole numbers within a group, float32 across groups.
//
// Rows of x are rounded to int8 with one float32 scale for each group of K. Sums within a group are
// exact integers, groups are added in their order: a row's bits depend on nothing but the row. A
// group may be a whole row: no more than MOST_SHARED columns, whose sums fit 32 bits. Weights lie as
// packing.cpp says. Included after it and linear's cpu.cpp.
//
// What a group costs beside its products decides how near int8 comes to the peak. On AVX-512 with
// VNNI a processor has two pipes for products of 512 bits or one, and VPDPBUSD, float products and
// fused ones all go through them. A group of 32 takes eight VPDPBUSD an accumulator; beside them
// are left the product of both scales and one fused product-sum: 8 of 10 slots do the work, with
// groups of 64 and 128 it is 16 of 18 and 32 of 34, with whole rows nearly all. All else is kept off those pipes: the
// correction for unsigned weights is where an accumulator starts, broadcast from memory as
// `quantise` left it; bytes of x are broadcast by the load ports, once for both vectors of a panel.

namespace naga {
namespace NAGA_ISA {
namespace quantised_detail {

using packing_detail::PANEL;

// A panel is computed in BLOCKS of VECTORS, one block after the other in each group: on AVX2 a
// block is the half of every plane, a whole cache line.
constexpr int VECTORS = 2, BLOCKS = int(PANEL) / (VECTORS * Floats::width);
#if defined(__AVX512F__)
constexpr int TILE = 6;  // 12 sums, 4 halves of weights, 1 input, and most of 12 totals: 32 registers
#else
constexpr int TILE = 4;  // 8 sums, 4 weights, 1 input, 1 product: 14 of 16; totals lie in memory
#endif
// Of K in one unrolled step; groups are whole multiples of it.
constexpr Index STEP = GROUP_STEP;

template <int ROWS> using Totals = Floats[BLOCKS][ROWS][VECTORS];
template <int ROWS> using Tile = Sums[ROWS][VECTORS];

template <class E> inline float peak_of(const E* x, Index count) {
    Floats peaks = zeros();
    for_vectors(count, [&](Index k, int lanes) {
        Floats some = load_some(x + k, lanes);
        peaks = max(max(some, zeros() - some), peaks);
    });
    return largest(peaks);
}

// Whole numbers of one group, and their sum: NaN if any was.
template <class E>
inline float round_group(const E* x, Index count, Index group, float inverse, std::int8_t* values) {
    Floats factor = broadcast(inverse), sums = zeros();
    if (count < group) std::memset(values, 0, std::size_t(group));
    for_vectors(count, [&](Index k, int lanes) {
        Floats whole = round(load_some(x + k, lanes) * factor);
        sums = sums + whole;
        store_bytes(values + k, whole);
    });
    return sum(sums);
}

// Groups [first, last) of one row: all peaks, then all divisions, then all roundings, since each
// of them waits long for its own result.
constexpr Index GROUPS = 16;

template <class E>
void quantise_groups(const E* x, Index columns, Index group, Index first, Index last,
                     std::int8_t* values, float* scales, std::int32_t* totals) {
    float inverses[GROUPS] = {}, peaks[GROUPS] = {};
    auto count = [&](Index g) {
        return columns - g * group < group ? columns - g * group : group;
    };
    for (Index g = first; g < last; ++g) peaks[g - first] = peak_of(x + g * group, count(g));
    // Below LEAST 127 / peak would be infinite: such a group is zero. So is one with an infinity;
    // but zero times what is not finite is NaN, and so is then the sum of all.
    for (Index i = 0; i < GROUPS; ++i)
        inverses[i] = peaks[i] > packing_detail::LEAST ? 127 / peaks[i] : 0;
    for (Index g = first; g < last; ++g) {
        float total = round_group(x + g * group, count(g), group, inverses[g - first],
                                  values + g * group);
        bool finite = total == total;
        scales[g] = finite ? peaks[g - first] / 127 : std::numeric_limits<float>::quiet_NaN();
        totals[g] = finite ? -128 * std::int32_t(total) : 0;
    }
}

template <class E>
void quantise(const void* x, Index x_stride, Index columns, Index group, Index first, Index last,
              const Quantised& out) {
    const Index groups = packing_detail::divide_up(columns, group);
    for (Index row = first; row < last; ++row)
        for (Index g = 0; g < groups; g += GROUPS)
            quantise_groups(static_cast<const E*>(x) + row * x_stride, columns, group, g,
                            g + GROUPS < groups ? g + GROUPS : groups,
                            out.values + row * groups * group, out.scales + row * groups,
                            out.totals + row * groups);
}

// Adds STEP of K to one block of sums: `planes` at the block's first column, rows of x by `stride`.
template <int ROWS>
inline void add_int8(const std::uint8_t* planes, const std::int8_t* x, Index stride,
                     Tile<ROWS>& sums) {
#pragma GCC unroll 8
    for (Index p = 0; p < STEP / 4; ++p) {
        Bytes weights[VECTORS];
        for (int v = 0; v < VECTORS; ++v)
            weights[v] = load_bytes(planes + p * 4 * PANEL + v * 4 * Floats::width);
        for (int r = 0; r < ROWS; ++r) {
            Bytes four = broadcast_bytes(x + r * stride + 4 * p);
            for (int v = 0; v < VECTORS; ++v) sums[r][v] = dot(sums[r][v], weights[v], four);
        }
    }
}

template <int ROWS>
inline void add_int4(const std::uint8_t* planes, const std::int8_t* x, Index stride,
                     Tile<ROWS>& sums) {
#pragma GCC unroll 4
    for (Index p = 0; p < STEP / 8; ++p) {
        Bytes low[VECTORS], high[VECTORS];
        for (int v = 0; v < VECTORS; ++v) {
            Bytes weights = load_bytes(planes + p * 4 * PANEL + v * 4 * Floats::width);
            low[v] = low_halves(weights);
            high[v] = high_halves(weights);
        }
        for (int r = 0; r < ROWS; ++r) {
            Bytes four = broadcast_bytes(x + r * stride + 8 * p);
            for (int v = 0; v < VECTORS; ++v) sums[r][v] = dot_halves(sums[r][v], low[v], four);
            four = broadcast_bytes(x + r * stride + 8 * p + 4);
            for (int v = 0; v < VECTORS; ++v) sums[r][v] = dot_halves(sums[r][v], high[v], four);
        }
    }
}

// What a sum of stored bytes begins with, so that it ends as one of weights.
template <Format FORMAT> inline Sums start_of(const std::int32_t& total) {
    if (FORMAT == Format::int4) return sums_of(total / 16);
    return sums_of(DOT_UNSIGNED ? total : 0);
}

// Scales of one vector of columns; packed weights may lie at any address.
inline Floats scales_at(const std::uint8_t* group, Index column) {
    bfloat16 scales[Floats::width];
    std::memcpy(scales, group + 2 * column, sizeof scales);
    return load(scales);
}

template <int ROWS, Format FORMAT>
void accumulate(const Product& product, Index row, const std::uint8_t* panel, Totals<ROWS>& out) {
    const Matrix& m = *product.matrix;
    const Index groups = packing_detail::groups_of(m), stride = groups * m.group;
    constexpr bool int4 = FORMAT == Format::int4;
    constexpr Index step_bytes = STEP / (int4 ? 8 : 4) * packing_detail::PLANE_BYTES;
    const std::int8_t* x = product.quantised.values + row * stride;
    const float* scales = product.quantised.scales + row * groups;
    const std::int32_t* starts = product.quantised.totals + row * groups;
    // A copy stays in registers; what a reference names is stored at every group.
    Totals<ROWS> totals;
    for (auto& block : totals)
        for (auto& vectors : block)
            for (Floats& total : vectors) total = zeros();
    for (Index g = 0; g < groups; ++g, ++scales, ++starts) {
        const std::uint8_t* planes = panel + packing_detail::SCALE_BYTES;
        for (int b = 0; b < BLOCKS; ++b) {
            const Index column = b * VECTORS * Floats::width;
            Tile<ROWS> sums;
            for (int r = 0; r < ROWS; ++r) {
                Sums start = start_of<FORMAT>(starts[r * groups]);
                for (int v = 0; v < VECTORS; ++v) sums[r][v] = start;
            }
            for (Index k = 0; k < m.group; k += STEP) {
                const std::uint8_t* from = planes + k / STEP * step_bytes + 4 * column;
                if constexpr (int4) add_int4<ROWS>(from, x + k, stride, sums);
                else add_int8<ROWS>(from, x + k, stride, sums);
            }
            for (int v = 0; v < VECTORS; ++v) {
                Floats own = scales_at(panel, column + v * Floats::width);
                for (int r = 0; r < ROWS; ++r)
                    totals[b][r][v] = fma(to_floats(sums[r][v]),
                                          own * broadcast(scales[r * groups]), totals[b][r][v]);
            }
        }
        x += m.group;
        panel = planes + m.group / STEP * step_bytes;
    }
    std::memcpy(&out, &totals, sizeof totals);
}

template <class E, int ROWS> void tile(const Product& product, Index row, Index panel) {
    const Matrix& m = *product.matrix;
    const std::uint8_t* data = static_cast<const std::uint8_t*>(m.data) +
                               panel * packing_detail::panel_bytes(m);
    Totals<ROWS> totals;
    if (m.format == Format::int4) accumulate<ROWS, Format::int4>(product, row, data, totals);
    else accumulate<ROWS, Format::int8>(product, row, data, totals);
    for (int r = 0; r < ROWS; ++r)
        for (int i = 0; i < BLOCKS * VECTORS; ++i) {
            Index column = panel * PANEL + i * Floats::width, left = m.rows - column;
            if (left > 0)
                linear_detail::put<E>(product, row + r, column, totals[i / VECTORS][r][i % VECTORS],
                                      int(left < Floats::width ? left : Floats::width));
        }
}

template <class E, int ROWS = TILE>
void some_rows(const Product& product, Index row, Index panel, Index count) {
    if (count == ROWS) tile<E, ROWS>(product, row, panel);
    else if constexpr (ROWS > 1) some_rows<E, ROWS - 1>(product, row, panel, count);
}

template <class E> void multiply(const Product& product, Index first, Index last) {
    for (Index panel = first; panel < last; ++panel)
        for (Index row = 0, count; row < product.rows; row += count) {
            count = linear_detail::even_share(product.rows - row, TILE);
            some_rows<E>(product, row, panel, count);
        }
}

}  // namespace quantised_detail

namespace linear_choice {

inline bool quantised(const Matrix& m) { return m.format != Format::element; }

inline Index panels(const Matrix& m) {
    return quantised(m) ? packing_detail::panels_of(m) : linear_detail::panels_of(m.rows);
}

template <class E> std::size_t packed_bytes(const Matrix& m) {
    if (!quantised(m)) return linear_detail::packed_bytes<E>(m.rows, m.columns);
    return std::size_t(packing_detail::panels_of(m) * packing_detail::panel_bytes(m));
}

template <class E>
void pack(const void* weight, const float* importance, const Matrix& m, Index first, Index last,
          void* packed) {
    if (!quantised(m))
        return linear_detail::pack<E>(weight, m.rows, m.columns, first, last, packed);
    packing_detail::pack(static_cast<const E*>(weight), importance, m, first, last,
                         static_cast<std::uint8_t*>(packed));
}

template <class E> void packed_row(const Matrix& m, Index row, void* out) {
    if (!quantised(m)) return linear_detail::packed_row<E>(m, row, out);
    packing_detail::packed_row(m, row, static_cast<E*>(out));
}

template <class E> void product(const Product& product, Index first, Index last) {
    if (!quantised(*product.matrix)) return linear_detail::multiply<E>(product, first, last);
    quantised_detail::multiply<E>(product, first, last);
}

}  // namespace linear_choice

template <class E> void fill_linear(Kernels& table) {
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
