// int8 and int4 weights as bytes: how they lie, how they are rounded, how a row is read back.
//
// A weight (N, K) is cut into panels of PANEL rows of W, which are columns of y. For each group of
// K a panel holds PANEL scales (bfloat16), then planes of four of K: unsigned bytes w + 128 as
// (group / 4, PANEL, 4) for int8; int4 has two planes of nibbles w + 8 in the halves of one,
// (group / 8, PANEL, 4). Both come in whole cache lines. The layout and every byte of it are the
// same on all instruction sets, so that packed weights are kept in files and used as they are read:
// lanes run over rows, every sum goes in the order of K, and nothing fuses. A group may be as long
// as a row, in whole steps of 32.
//
// Rows and columns beyond N and K count as zeros. A group with a weight that is not finite has a
// scale of NaN. Assumes little-endian words. Included after linear's cpu.cpp.

#include <limits>

namespace naga {
namespace NAGA_ISA {
namespace packing_detail {

constexpr Index PANEL = 32, LANES = Floats::width;
// Of a group so many columns are held at a time.
constexpr Index PIECE = 128;
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

// A piece of one panel's group, K by K: weights, and from `round_weights` on their whole numbers.
struct Block {
    Lane weights[PIECE];
    Index depth;
    Range range;
};

// The piece that begins `offset` columns after the group's first.
template <class E>
void gather(const E* weight, const Matrix& m, Index panel, Index first, Index offset,
            Block& block) {
    const Index depth = m.group - offset < PIECE ? m.group - offset : PIECE;
    const Index rows = m.rows - panel * PANEL < PANEL ? m.rows - panel * PANEL : PANEL;
    first += offset;
    const Index columns = m.columns - first < depth ? m.columns - first : depth;
    block.depth = depth;
    block.range = range_of(m.format);
    if (rows < PANEL || columns < depth)
        std::memset(block.weights, 0, sizeof(Lane) * std::size_t(depth));
    for (Index n = 0; n < rows; ++n) {
        const E* row = weight + (panel * PANEL + n) * m.columns + first;
        for (Index k = 0; k < columns; ++k) block.weights[k][n] = widen(row[k]);
    }
}

// Of each row of a group the largest weight, the least, and zero: NaN if one is not finite.
struct Extent {
    Lane most = {}, least = {}, poison = {};
};

inline void extend(const Block& block, Extent& extent) {
    for (Index n = 0; n < PANEL; n += LANES) {
        Floats high = load(extent.most + n), low = load(extent.least + n);
        Floats zero = load(extent.poison + n);
        for (Index k = 0; k < block.depth; ++k) {
            Floats w = load(block.weights[k] + n);
            high = max(w, high);
            low = min(w, low);
            zero = zero + w * zeros();
        }
        store(extent.most + n, high);
        store(extent.least + n, low);
        store(extent.poison + n, zero);
    }
}

// Scales that map the weight of largest size to 127, or with int4 to -8. `final` holds zero or NaN
// for rows that have no such scale, whose weights become zeros; 1 for all others.
inline void plain_scales(const Extent& extent, const Range& range, Lane& scales, Lane& final) {
    for (Index n = 0; n < PANEL; ++n) {
        const float most = extent.most[n], least = extent.least[n];
        float extreme = most >= -least ? most : least;
        bool finite = extent.poison[n] == 0, usable = finite && std::fabs(extreme) >= LEAST;
        float scale = range.offset == 8 ? extreme / -8 : std::fabs(extreme) / 127;
        scales[n] = usable ? scale : 1;
        final[n] = usable ? 1 : finite ? 0 : std::numeric_limits<float>::quiet_NaN();
    }
}

inline void blank(Block& block, const Lane& final) {
    for (Index n = 0; n < PANEL; ++n)
        for (Index k = 0; k < block.depth && final[n] != 1; ++k) block.weights[k][n] = 0;
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

// Adds for each row importance · (w - ŵ)².
inline void measure(const Block& block, const float* importance, const Lane& scales, Lane& errors) {
    for (Index n = 0; n < PANEL; n += LANES) {
        Floats scale = load(scales + n), inverse = broadcast(1) / scale, total = load(errors + n);
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

// The plain scale and the grid around it: FACTORS steps from FIRST_FACTOR, of both signs for int4,
// whose range is not symmetric.
constexpr int FACTORS = 20;
constexpr float FIRST_FACTOR = 0.72f, FACTOR_STEP = 0.024f;

struct Candidates {
    Lane scales[1 + 2 * FACTORS], errors[1 + 2 * FACTORS];
    int count;
};

inline void propose(const Lane& plain, const Range& range, Candidates& candidates) {
    candidates.count = 1 + FACTORS * (range.offset == 8 ? 2 : 1);
    std::memset(candidates.errors, 0, sizeof candidates.errors);
    std::memcpy(candidates.scales[0], plain, sizeof plain);
    for (int i = 0; i + 1 < candidates.count; ++i) {
        float factor = FIRST_FACTOR + FACTOR_STEP * float(i % FACTORS);
        scale_by(plain, i < FACTORS ? factor : -factor, candidates.scales[i + 1]);
    }
}

// The first of those with the least error: the plain scale stays where nothing is better.
inline void choose(Candidates& candidates, Lane& scales) {
    for (Index n = 0; n < PANEL; ++n) {
        int best = 0;
        for (int i = 1; i < candidates.count; ++i)
            if (candidates.errors[i][n] < candidates.errors[best][n]) best = i;
        scales[n] = candidates.scales[best][n];
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

inline void store_scales(const Lane& scales, std::uint8_t* out) {
    bfloat16 stored[PANEL];
    for (Index n = 0; n < PANEL; ++n) stored[n] = to_bfloat16(scales[n]);
    std::memcpy(out, stored, SCALE_BYTES);
}

// Returns where the next piece's planes lie.
inline std::uint8_t* store_planes(const Block& block, std::uint8_t* out) {
    const bool halves = block.range.offset == 8;
    for (Index k = 0; k < block.depth; k += halves ? 8 : 4, out += PLANE_BYTES) {
        std::uint32_t words[PANEL] = {};
        add_words(block, k, 0, words);
        if (halves) add_words(block, k + 4, 4, words);
        std::memcpy(out, words, PLANE_BYTES);
    }
    return out;
}

// A group is walked for its extent, for the errors of its candidates, and to be stored. One of
// several pieces is gathered anew each time; f(offset) finds each in `block`.
template <class E>
void pack_group(const E* weight, const float* importance, const Matrix& m, Index panel,
                Index first, std::uint8_t* out) {
    Block block;
    Index held = -1;
    auto walk = [&](auto f) {
        for (Index offset = 0; offset < m.group; offset += PIECE) {
            if (held != offset) gather(weight, m, panel, first, offset, block);
            held = offset;
            f(offset);
        }
    };
    Extent extent;
    Lane scales, final;
    walk([&](Index) { extend(block, extent); });
    plain_scales(extent, block.range, scales, final);
    scale_by(scales, 1, scales);
    if (importance) {
        Candidates candidates;
        propose(scales, block.range, candidates);
        walk([&](Index offset) {
            float weighting[PIECE];
            for (Index k = 0, at = first + offset; k < block.depth; ++k, ++at)
                weighting[k] = at < m.columns ? importance[at] : 0;
            blank(block, final);
            for (int i = 0; i < candidates.count; ++i)
                measure(block, weighting, candidates.scales[i], candidates.errors[i]);
        });
        choose(candidates, scales);
    }
    std::uint8_t* planes = out + SCALE_BYTES;
    walk([&](Index) {
        blank(block, final);
        round_weights(block, scales);
        planes = store_planes(block, planes);
    });
    for (Index n = 0; n < PANEL; ++n) scales[n] = scales[n] * final[n];
    store_scales(scales, out);
}

// Panels [first, last).
template <class E>
void pack(const E* weight, const float* importance, const Matrix& m, Index first, Index last,
          std::uint8_t* packed) {
    for (Index panel = first; panel < last; ++panel)
        for (Index g = 0; g < groups_of(m); ++g)
            pack_group(weight, importance, m, panel, g * m.group,
                       packed + panel * panel_bytes(m) + g * group_bytes(m));
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
