// int8 and int4 weights as bytes: how they lie, how they are rounded, how a row is read back.
//
// A weight (N, K) is cut into panels of PANEL rows of W, which are columns of y. For each group of
// K a panel holds PANEL scales (bfloat16), then planes of four of K: unsigned bytes w + 128 as
// (group / 4, PANEL, 4) for int8; int4 has two planes of nibbles w + 8 in the halves of one,
// (group / 8, PANEL, 4). Both come in whole cache lines. The layout and every byte of it are the
// same on all instruction sets, so that packed weights are kept in files and used as they are read:
// lanes run over rows, every sum goes in the order of K, and nothing fuses.
//
// Rows and columns beyond N and K count as zeros. A group with a weight that is not finite has a
// scale of NaN. Assumes little-endian words. Included after linear's cpu.cpp.

#include <limits>

namespace naga {
namespace NAGA_ISA {
namespace packing_detail {

constexpr Index PANEL = 32, LANES = Floats::width;
constexpr Index MOST_GROUP = 128;
constexpr Index SCALE_BYTES = 2 * PANEL, PLANE_BYTES = 4 * PANEL;
// Groups all smaller than this are zero: their scales would have no inverse.
constexpr float LEAST = 1e-30f;
static_assert(PANEL % LANES == 0, "panels are whole vectors");

constexpr Index divide_up(Index a, Index b) { return (a + b - 1) / b; }
inline bool is_int4(const Matrix& m) { return m.format == Format::int4; }
inline Index panels_of(const Matrix& m) { return divide_up(m.rows, PANEL); }
inline Index groups_of(const Matrix& m) { return divide_up(m.columns, m.group); }
inline Index group_bytes(const Matrix& m) {
    return SCALE_BYTES + m.group / (is_int4(m) ? 8 : 4) * PLANE_BYTES;
}
inline Index panel_bytes(const Matrix& m) { return groups_of(m) * group_bytes(m); }

// What a weight's whole number may be, and what is added to it to store it.
struct Range {
    float least, most;
    std::int32_t offset;
};
inline Range range_of(Format format) {
    return format == Format::int4 ? Range{-8, 7, 8} : Range{-127, 127, 128};
}

// One number for each row of a panel.
using Lane = float[PANEL];

// One group of a panel, K by K: weights, and from `round_weights` on their whole numbers.
struct Block {
    Lane weights[MOST_GROUP];
    Index depth;
    Range range;
};

template <class E>
void gather(const E* weight, const Matrix& m, Index panel, Index first, Block& block) {
    const Index rows = m.rows - panel * PANEL < PANEL ? m.rows - panel * PANEL : PANEL;
    const Index columns = m.columns - first < m.group ? m.columns - first : m.group;
    block.depth = m.group;
    block.range = range_of(m.format);
    if (rows < PANEL || columns < m.group)
        std::memset(block.weights, 0, sizeof(Lane) * std::size_t(m.group));
    for (Index n = 0; n < rows; ++n) {
        const E* row = weight + (panel * PANEL + n) * m.columns + first;
        for (Index k = 0; k < columns; ++k) block.weights[k][n] = widen(row[k]);
    }
}

// Scales that map the weight of largest size to 127, or with int4 to -8. `final` holds zero or NaN
// for rows that have no such scale, whose weights become zeros; 1 for all others.
inline void plain_scales(Block& block, Lane& scales, Lane& final) {
    Lane most, least, poison;
    for (Index n = 0; n < PANEL; n += LANES) {
        Floats high = zeros(), low = zeros(), zero = zeros();
        for (Index k = 0; k < block.depth; ++k) {
            Floats w = load(block.weights[k] + n);
            high = max(w, high);
            low = min(w, low);
            zero = zero + w * zeros();
        }
        store(most + n, high);
        store(least + n, low);
        store(poison + n, zero);
    }
    for (Index n = 0; n < PANEL; ++n) {
        float extreme = most[n] >= -least[n] ? most[n] : least[n];
        bool finite = poison[n] == 0, usable = finite && std::fabs(extreme) >= LEAST;
        float scale = block.range.offset == 8 ? extreme / -8 : std::fabs(extreme) / 127;
        scales[n] = usable ? scale : 1;
        final[n] = usable ? 1 : finite ? 0 : std::numeric_limits<float>::quiet_NaN();
        for (Index k = 0; k < block.depth && !usable; ++k) block.weights[k][n] = 0;
    }
}

inline Floats whole(Floats weights, Floats inverse, const Range& range) {
    Floats bounded = min(max(weights * inverse, broadcast(range.least)), broadcast(range.most));
    return round(bounded);
}

inline void round_weights(Block& block, const Lane& scales) {
    for (Index n = 0; n < PANEL; n += LANES) {
        Floats inverse = broadcast(1) / load(scales + n);
        for (Index k = 0; k < block.depth; ++k)
            store(block.weights[k] + n, whole(load(block.weights[k] + n), inverse, block.range));
    }
}

// For each row the sum of importance · (w - ŵ)².
inline void measure(const Block& block, const float* importance, const Lane& scales, Lane& errors) {
    for (Index n = 0; n < PANEL; n += LANES) {
        Floats scale = load(scales + n), inverse = broadcast(1) / scale, total = zeros();
        for (Index k = 0; k < block.depth; ++k) {
            Floats w = load(block.weights[k] + n);
            Floats error = w - whole(w, inverse, block.range) * scale;
            total = total + broadcast(importance[k]) * (error * error);
        }
        store(errors + n, total);
    }
}

inline void scale_by(const Lane& scales, float factor, Lane& out) {
    for (Index n = 0; n < PANEL; n += LANES)
        store(out + n, rounded<bfloat16>(load(scales + n) * broadcast(factor)));
}

// The grid around a plain scale: FACTORS steps from FIRST_FACTOR, of both signs for int4, whose
// range is not symmetric. The plain scale itself is measured first, and stays where nothing is
// better.
constexpr int FACTORS = 20;
constexpr float FIRST_FACTOR = 0.72f, FACTOR_STEP = 0.024f;

inline void refine(const Block& block, const float* importance, Lane& scales) {
    Lane plain, candidate, best, errors;
    std::memcpy(plain, scales, sizeof plain);
    measure(block, importance, scales, best);
    for (int i = 0; i < FACTORS * (block.range.offset == 8 ? 2 : 1); ++i) {
        float factor = FIRST_FACTOR + FACTOR_STEP * float(i % FACTORS);
        scale_by(plain, i < FACTORS ? factor : -factor, candidate);
        measure(block, importance, candidate, errors);
        for (Index n = 0; n < PANEL; ++n) {
            bool better = errors[n] < best[n];
            scales[n] = better ? candidate[n] : scales[n];
            best[n] = better ? errors[n] : best[n];
        }
    }
}

// Four of K in each row's word, beginning at k.
inline void add_words(const Block& block, Index k, int shift, std::uint32_t (&words)[PANEL]) {
    for (Index j = 0; j < 4; ++j)
        for (Index n = 0; n < PANEL; ++n) {
            std::int32_t value = std::int32_t(block.weights[k + j][n]) + block.range.offset;
            words[n] |= std::uint32_t(value) << (8 * j + shift);
        }
}

inline void store_group(const Block& block, const Lane& scales, std::uint8_t* out) {
    bfloat16 stored[PANEL];
    for (Index n = 0; n < PANEL; ++n) stored[n] = to_bfloat16(scales[n]);
    std::memcpy(out, stored, SCALE_BYTES);
    out += SCALE_BYTES;
    const bool halves = block.range.offset == 8;
    for (Index k = 0; k < block.depth; k += halves ? 8 : 4, out += PLANE_BYTES) {
        std::uint32_t words[PANEL] = {};
        add_words(block, k, 0, words);
        if (halves) add_words(block, k + 4, 4, words);
        std::memcpy(out, words, PLANE_BYTES);
    }
}

// Panels [first, last).
template <class E>
void pack(const E* weight, const float* importance, const Matrix& m, Index first, Index last,
          std::uint8_t* packed) {
    Block block;
    Lane scales, final;
    float weighting[MOST_GROUP];
    for (Index panel = first; panel < last; ++panel)
        for (Index g = 0; g < groups_of(m); ++g) {
            gather(weight, m, panel, g * m.group, block);
            plain_scales(block, scales, final);
            scale_by(scales, 1, scales);
            if (importance) {
                for (Index k = 0; k < m.group; ++k)
                    weighting[k] = g * m.group + k < m.columns ? importance[g * m.group + k] : 0;
                refine(block, weighting, scales);
            }
            round_weights(block, scales);
            for (Index n = 0; n < PANEL; ++n) scales[n] = scales[n] * final[n];
            store_group(block, scales, packed + panel * panel_bytes(m) + g * group_bytes(m));
        }
}

// Four weights of one row from its word of a plane.
template <class E>
inline void unpack_quad(const std::uint8_t* word, int shift, int mask, int offset, float scale,
                        Index count, E* out) {
    for (Index j = 0; j < (count < 4 ? count : 4); ++j)
        narrow(float(((word[j] >> shift) & mask) - offset) * scale, out[j]);
}

template <class E> void packed_row(const Matrix& m, Index row, E* out) {
    const std::uint8_t* group = static_cast<const std::uint8_t*>(m.data) +
                                row / PANEL * panel_bytes(m);
    const Index n = row % PANEL, bytes = group_bytes(m);
    for (Index first = 0; first < m.columns; first += m.group, group += bytes) {
        bfloat16 stored;
        std::memcpy(&stored, group + 2 * n, 2);
        const float scale = widen(stored);
        const std::uint8_t* word = group + SCALE_BYTES + 4 * n;
        Index last = first + m.group < m.columns ? first + m.group : m.columns;
        if (is_int4(m))
            for (Index k = first; k < last; k += 8, word += PLANE_BYTES) {
                unpack_quad(word, 0, 15, 8, scale, last - k, out + k);
                unpack_quad(word, 4, 15, 8, scale, last - k - 4, out + k + 4);
            }
        else
            for (Index k = first; k < last; k += 4, word += PLANE_BYTES)
                unpack_quad(word, 0, 255, 128, scale, last - k, out + k);
    }
}

}  // namespace packing_detail
}  // namespace NAGA_ISA
}  // namespace naga
