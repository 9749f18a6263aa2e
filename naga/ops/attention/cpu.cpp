// Rotary embedding and causal grouped-query attention over paged keys and values.
//
// attend takes keys in blocks of BLOCK at fixed absolute positions and folds one block after the
// other into a query's part (online softmax, arXiv 1805.02867), all in float32. A score is one
// chain over the head's dims, in pairs where they are bfloat16, a mix one chain over the keys: a query's part is a function of
// its position and of its own keys, whatever queries share the tile, the call or the range. Keys
// that a query must not see are left out of its sums, not weighed with 0: they may be NaN.
//
// Keys and values are held in E, or as int8 with a float32 scale for each key and head. Queries of
// int8 keys are rounded to int8 too: a score is a whole number times both scales. A value's scale
// goes on its weight.
//
// Assumes an even rotary_dim in rotate, and pages that hold every position up to the last query's.
// Does not write keys or values, and does not share out work: see naga/native/kernels.hpp.
#include <cmath>
#include <cstring>
#include <limits>

#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace attention_detail {

constexpr int BLOCK = 64;   // keys
constexpr int DIMS = 256;   // dims of a head that stand converted at once
constexpr int TILE = 6;     // queries whose sums stand in registers
constexpr int VECTORS = Floats::width == 16 ? 4 : 2;  // vectors of sums of each of them
constexpr int PAIRS = 64;   // angles computed at once
static_assert(SPAN % BLOCK == 0, "a span is whole blocks");
static_assert(BLOCK % (VECTORS * Floats::width) == 0, "a block is whole groups of vectors");

inline Index lesser(Index a, Index b) { return a < b ? a : b; }
inline Index greater(Index a, Index b) { return a > b ? a : b; }

// ---- rotate

inline void angles(const Rotation& r, Index row, Index pair, Index count, float* cos, float* sin) {
    float position = float(r.start + row);
    for (Index i = 0; i < count; ++i) {
        float angle = position * r.inverse[pair + i];
        cos[i] = std::cos(angle);
        sin[i] = std::sin(angle);
    }
}

template <class E>
void turn(E* left, E* right, const float* cosines, const float* sines, Index pairs) {
    for_vectors(pairs, [&](Index i, int count) {
        Floats a = load_some(left + i, count), b = load_some(right + i, count);
        Floats cos = load_some(cosines + i, count), sin = load_some(sines + i, count);
        store_some(left + i, a * cos - b * sin, count);
        store_some(right + i, b * cos + a * sin, count);
    });
}

template <class E> void rotate(const Rotation& r, Index first, Index last) {
    float cos[PAIRS], sin[PAIRS];
    Index half = r.rotary_dim / 2;
    for (Index row = first; row < last; ++row) {
        E* x = static_cast<E*>(r.x) + row * r.x_stride;
        for (Index pair = 0; pair < half; pair += PAIRS) {
            Index count = lesser(PAIRS, half - pair);
            angles(r, row, pair, count, cos, sin);
            for (Index head = 0; head < r.heads; ++head) {
                E* left = x + head * r.head_dim + pair;
                turn(left, left + half, cos, sin, count);
            }
        }
    }
}

// ---- keys and values of one block

// Where the keys and values of one block lie, as C: E or int8.
template <class C> struct Block {
    static constexpr bool scaled = sizeof(C) == 1;
    Index begin;  // position of the first key
    int count;
    const C* keys[BLOCK];
    const C* values[BLOCK];
    alignas(64) float key_scales[scaled ? BLOCK : 1] = {};
    alignas(64) float value_scales[scaled ? BLOCK : 1] = {};
};

template <class C>
void locate(const Attention& a, Index key_head, Index begin, Index end, Block<C>& block) {
    const Pages& cache = a.cache;
    Index page = begin / cache.page_size, row = begin % cache.page_size;
    block.begin = begin;
    block.count = int(lesser(BLOCK, end - begin));
    for (int k = 0; k < block.count; row = 0, ++page) {
        Index head = (cache.pages[page] * cache.page_size + row) * a.key_heads + key_head;
        for (; row < cache.page_size && k < block.count; ++row, ++k, head += a.key_heads) {
            block.keys[k] = static_cast<const C*>(cache.keys) + head * a.head_dim;
            block.values[k] = static_cast<const C*>(cache.values) + head * a.head_dim;
            if constexpr (Block<C>::scaled) {
                block.key_scales[k] = cache.key_scales[head];
                block.value_scales[k] = cache.value_scales[head];
            }
        }
    }
}

// Into the second cache: the first is full of the block at work.
inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)

// Four rows of four words in each quarter: transposes each quarter.
inline void transpose_quarters(const __m512i (&rows)[4], Floats* x) {
    __m512i a = _mm512_unpacklo_epi32(rows[0], rows[1]), b = _mm512_unpackhi_epi32(rows[0], rows[1]);
    __m512i c = _mm512_unpacklo_epi32(rows[2], rows[3]), d = _mm512_unpackhi_epi32(rows[2], rows[3]);
    x[0].v = _mm512_castsi512_ps(_mm512_unpacklo_epi64(a, c));
    x[1].v = _mm512_castsi512_ps(_mm512_unpackhi_epi64(a, c));
    x[2].v = _mm512_castsi512_ps(_mm512_unpacklo_epi64(b, d));
    x[3].v = _mm512_castsi512_ps(_mm512_unpackhi_epi64(b, d));
}

// 64 bytes from `at` on of each of 16 rows, transposed as words: quarters meet while they are loaded.
template <class C> void load_transposed(const C* const* rows, Index at, Floats (&x)[16]) {
    auto quarter = [&](int row, int word) {
        return _mm_loadu_si128((const __m128i*)(rows[row] + at + word * (4 / int(sizeof(C)))));
    };
    for (int word = 0; word < 16; word += 4) {
        __m512i some[4];
        for (int i = 0; i < 4; ++i) {
            __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(quarter(i, word)),
                                                  quarter(4 + i, word), 1);
            __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(quarter(8 + i, word)),
                                                   quarter(12 + i, word), 1);
            some[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        }
        transpose_quarters(some, x + word);
    }
}

#else

#if defined(__AVX2__) && defined(__FMA__)
inline void transpose(Floats (&x)[8]) {
    __m256 pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(x[i].v, x[i + 1].v);
        pairs[i + 1] = _mm256_unpackhi_ps(x[i].v, x[i + 1].v);
    }
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        x[i].v = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
        x[i + 4].v = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
}
#else
inline void transpose(Floats (&x)[Floats::width]) {
    for (int i = 0; i < Floats::width; ++i)
        for (int j = 0; j < i; ++j) {
            float kept = x[i].v[j];
            x[i].v[j] = x[j].v[i];
            x[j].v[i] = kept;
        }
}
#endif

template <class C>
void load_transposed(const C* const* rows, Index at, Floats (&x)[Floats::width]) {
    for (int i = 0; i < Floats::width; ++i) std::memcpy(&x[i], rows[i] + at, sizeof x[i]);
    transpose(x);
}
#endif

// The bits of as many elements as fill a vector.
template <class E> constexpr int ELEMENTS = int(sizeof(Floats) / sizeof(E));

template <class E> constexpr int PER_WORD = 4 / int(sizeof(E));

// Less than 64 keys or less than a vector of dims: zeros stand for the rest.
template <class C>
void load_padded(const Block<C>& block, int key, Index at, Index dims, Floats (&x)[Floats::width]) {
    C copy[Floats::width][ELEMENTS<C>] = {};
    const C* rows[Floats::width];
    for (int i = 0; i < Floats::width; ++i) {
        rows[i] = copy[i];
        if (key + i < block.count)
            std::memcpy(copy[i], block.keys[key + i] + at,
                        std::size_t(lesser(dims, ELEMENTS<C>)) * sizeof(C));
    }
    load_transposed(rows, 0, x);
}

template <class C> void store_word(float* p, Floats bits, C) { store(p, bits); }
inline void store_word(float* p, Floats bits, std::int8_t) {
    store(p, bits_as<Floats>(turn_signs(bits_as<Bytes>(bits))));
}

// Dims [from, from + dims) of a block's keys as (word, key), a word being 32 bits of one key: one
// float32, two bfloat16 or four int8, these stored as k + 128. Keys that are missing count as zero.
template <class C>
void turn_keys(const Block<C>& block, const Block<C>& next, Index from, Index dims, float* out) {
    constexpr int width = Floats::width;
    for (int k = 0; k < BLOCK; k += width)
        for (Index i = 0; i < dims; i += ELEMENTS<C>) {
            Floats x[width];
            bool whole = k + width <= block.count && i + ELEMENTS<C> <= dims;
            if (whole) load_transposed(block.keys + k, from + i, x);
            else load_padded(block, k, from + i, dims - i, x);
            for (int j = k; j < k + width && j < next.count; ++j) prefetch(next.keys[j] + from + i);
            float* to = out + i / PER_WORD<C> * BLOCK + k;
            for (int j = 0; j < width; ++j) store_word(to + j * BLOCK, x[j], C());
        }
}

template <class C>
void widen_values(const Block<C>& block, Index from, Index dims, float* out) {
    for (int k = 0; k < block.count; ++k)
        for_vectors(dims, [&](Index i, int count) {
            store_some(out + k * DIMS + i, load_some(block.values[k] + from + i, count), count);
        });
}

// One block: of its dims the part that was asked for last, keys as words and values as float32.
template <class C> class Wide {
  public:
    Wide() {
        for (int k = 0; k < BLOCK; ++k) rows_[k] = values_ + k * DIMS;
    }
    void take(const Block<C>& block, const Block<C>& next) {
        block_ = &block;
        next_ = &next;
        keys_from_ = values_from_ = -1;
    }
    const Block<C>& block() const { return *block_; }
    const Block<C>& next() const { return *next_; }
    // (words, BLOCK)
    const float* keys(Index from, Index dims) {
        if (keys_from_ != from) turn_keys(*block_, *next_, from, dims, keys_);
        keys_from_ = from;
        return keys_;
    }
    // (BLOCK) rows of dims
    const float* const* values(Index from, Index dims) {
        if (values_from_ != from) widen_values(*block_, from, dims, values_);
        values_from_ = from;
        return rows_;
    }

  private:
    const Block<C>* block_ = nullptr;
    const Block<C>* next_ = nullptr;
    Index keys_from_ = -1, values_from_ = -1;
    alignas(64) float keys_[DIMS * BLOCK];
    alignas(64) float values_[BLOCK * DIMS];
    const float* rows_[BLOCK];
};

// ---- queries

// Queries that go through a block together, in the order of their positions.
struct Tile {
    const void* q[TILE];  // (d,) as the keys are: E or int8
    float q_scale[TILE];  // of int8
    std::int32_t start[TILE];  // -128 times the sum of an int8 query
    float* part[TILE];    // (d + 2,)
    int count[TILE];      // keys of the block that the query sees: 1 or more
    float factor[TILE];   // what its part so far is worth after this block
    alignas(64) float words[TILE][DIMS];     // dims of q at work; zero beyond them
    alignas(64) float weights[TILE][BLOCK];  // scores first
};

template <class C> void take_queries(Tile& tile, int queries, Index from, Index dims) {
    for (int q = 0; q < queries; ++q) {
        tile.words[q][(dims - 1) / PER_WORD<C>] = 0;
        std::memcpy(tile.words[q], static_cast<const C*>(tile.q[q]) + from,
                    std::size_t(dims) * sizeof(C));
    }
}

// What products with keys add up in, and one word more: of one query, of a key in each lane.
template <class C> struct Score { using Sum = Floats; };
template <> struct Score<std::int8_t> { using Sum = Sums; };

inline Floats add_word(Floats sum, Floats q, Floats k, float) { return fma(q, k, sum); }
inline Floats add_word(Floats sum, Floats q, Floats k, bfloat16) { return dot_pairs(sum, q, k); }
inline Sums add_word(Sums sum, Floats q, Floats k, std::int8_t) {
    return dot(sum, bits_as<Bytes>(k), bits_as<Bytes>(q));
}

inline void start_score(Floats& sum, std::int32_t) { sum = zeros(); }
inline void start_score(Sums& sum, std::int32_t start) { sum = sums_of(DOT_UNSIGNED ? start : 0); }

// Adds the products over these words to the scores of VECTORS vectors of keys.
template <int Q, class C>
void score_vectors(Tile& tile, const float* keys, Index words, int key, bool begun) {
    constexpr int width = Floats::width;
    typename Score<C>::Sum sums[Q][VECTORS];
    for (int q = 0; q < Q; ++q)
        for (int v = 0; v < VECTORS; ++v)
            if (begun) std::memcpy(&sums[q][v], tile.weights[q] + key + v * width, sizeof(Floats));
            else start_score(sums[q][v], tile.start[q]);
    for (Index i = 0; i < words; ++i) {
        Floats k[VECTORS];
        for (int v = 0; v < VECTORS; ++v) k[v] = load(keys + i * BLOCK + key + v * width);
        for (int q = 0; q < Q; ++q) {
            Floats x = broadcast(tile.words[q][i]);
            for (int v = 0; v < VECTORS; ++v) sums[q][v] = add_word(sums[q][v], x, k[v], C());
        }
    }
    for (int q = 0; q < Q; ++q)
        for (int v = 0; v < VECTORS; ++v)
            std::memcpy(tile.weights[q] + key + v * width, &sums[q][v], sizeof(Floats));
}

// Whole numbers, as the scores of int8 keys are until here.
inline void multiply_whole(float* scores, const float* scales, float scale) {
    for (int k = 0; k < BLOCK; k += Floats::width) {
        Sums whole;
        std::memcpy(&whole, scores + k, sizeof whole);
        store(scores + k, to_floats(whole) * (load(scales + k) * broadcast(scale)));
    }
}

template <class C, int Q> void score(Tile& tile, Wide<C>& wide, Index head_dim) {
    for (Index from = 0; from < head_dim; from += DIMS) {
        Index dims = lesser(DIMS, head_dim - from);
        const float* keys = wide.keys(from, dims);
        take_queries<C>(tile, Q, from, dims);
        for (int key = 0; key < BLOCK; key += VECTORS * Floats::width)
            score_vectors<Q, C>(tile, keys, (dims - 1) / PER_WORD<C> + 1, key, from > 0);
    }
    if constexpr (Block<C>::scaled)
        for (int q = 0; q < Q; ++q)
            multiply_whole(tile.weights[q], wide.block().key_scales, tile.q_scale[q]);
}

inline float exp_of(float x) {
    float lanes[Floats::width];
    store(lanes, exp(broadcast(x)));
    return lanes[0];
}

// What to subtract from scores: finite where every score is -inf, so that inf - inf never occurs.
inline float finite_peak(float peak) {
    float lowest = std::numeric_limits<float>::lowest();
    return peak < lowest ? lowest : peak;
}

// Scales the scores, hides those the query does not see, and returns the largest.
inline float block_peak(float* scores, int count, float scale) {
    constexpr int width = Floats::width;
    Floats factor = broadcast(scale);
    for (int k = 0; k < BLOCK; k += width) store(scores + k, load(scores + k) * factor);
    for (int k = count; k < BLOCK; ++k) scores[k] = -std::numeric_limits<float>::infinity();
    Floats peaks = load(scores);
    for (int k = width; k < BLOCK; k += width) peaks = max(peaks, load(scores + k));
    return largest(peaks);
}

// Turns a query's scores into weights and updates the last two numbers of its part.
inline void weigh(Tile& tile, int q, Index head_dim, float scale) {
    float *scores = tile.weights[q], &sum_so_far = tile.part[q][head_dim];
    float& peak_so_far = tile.part[q][head_dim + 1];
    float here = block_peak(scores, tile.count[q], scale);
    // In this order a NaN wins.
    float peak = peak_so_far > here ? peak_so_far : here;
    Floats shift = broadcast(finite_peak(peak)), total = zeros();
    for (int k = 0; k < BLOCK; k += Floats::width) {
        Floats weight = exp(load(scores + k) - shift);
        store(scores + k, weight);
        total = total + weight;
    }
    tile.factor[q] = exp_of(peak_so_far - finite_peak(peak));
    sum_so_far = sum_so_far * tile.factor[q] + sum(total);
    peak_so_far = peak;
}

// Values weighted and added to dims [dim, dim + N vectors) of the parts, key after key.
// lanes is less than a vector only where N is 1. Fetches ahead the rows of `next`.
template <int Q, int N, class V>
void mix_vectors(const Tile& tile, const V* const* rows, Index dim, int lanes, Index part_dim,
                 const V* const* next, int next_count) {
    constexpr int width = Floats::width;
    Floats sums[Q][N], value[N];
    auto read = [&](int k) {
        for (int n = 0; n < N; ++n)
            value[n] = N > 1 ? load(rows[k] + dim + n * width) : load_some(rows[k] + dim, lanes);
    };
    auto add = [&](int q, int k) {
        Floats weight = broadcast(tile.weights[q][k]);
        for (int n = 0; n < N; ++n) sums[q][n] = fma(weight, value[n], sums[q][n]);
    };
    for (int q = 0; q < Q; ++q)
        for (int n = 0; n < N; ++n)
            sums[q][n] = load_some(tile.part[q] + part_dim + n * width, lanes)
                         * broadcast(tile.factor[q]);
    // The first query of a tile sees the fewest keys.
    int shared = tile.count[0];
    for (int k = 0; k < shared; ++k) {
        if (k < next_count)
            for (int n = 0; n < N * width; n += 64 / int(sizeof(V))) prefetch(next[k] + dim + n);
        read(k);
        for (int q = 0; q < Q; ++q) add(q, k);
    }
    for (int q = 1; q < Q; ++q)
        for (int k = shared; k < tile.count[q]; ++k) {
            read(k);
            add(q, k);
        }
    for (int q = 0; q < Q; ++q)
        for (int n = 0; n < N; ++n)
            store_some(tile.part[q] + part_dim + n * width, sums[q][n], lanes);
}

// Dims [from, from + dims) of the rows go to dims [part_dim, ...) of the parts.
template <int Q, class V>
void mix(const Tile& tile, const V* const* rows, Index dims, Index part_dim, const V* const* next,
         int next_count) {
    constexpr int width = Floats::width;
    Index i = 0;
    for (; i + VECTORS * width <= dims; i += VECTORS * width)
        mix_vectors<Q, VECTORS>(tile, rows, i, width, part_dim + i, next, next_count);
    for (; i < dims; i += width) {
        int lanes = int(lesser(width, dims - i));
        mix_vectors<Q, 1>(tile, rows, i, lanes, part_dim + i, next, next_count);
    }
}

inline void multiply(float* weights, const float* scales) {
    for (int k = 0; k < BLOCK; k += Floats::width)
        store(weights + k, load(weights + k) * load(scales + k));
}

// `only`: no other tile needs this block, so that its values are not worth converting apart.
template <class C, int Q>
void fold(const Attention& a, Tile& tile, Wide<C>& wide, bool only) {
    score<C, Q>(tile, wide, a.head_dim);
    for (int q = 0; q < Q; ++q) {
        weigh(tile, q, a.head_dim, a.scale);
        if constexpr (Block<C>::scaled) multiply(tile.weights[q], wide.block().value_scales);
    }
    if (only) {
        const Block<C>&block = wide.block(), &next = wide.next();
        mix<Q, C>(tile, block.values, a.head_dim, 0, next.values, next.count);
        return;
    }
    for (Index from = 0; from < a.head_dim; from += DIMS) {
        Index dims = lesser(DIMS, a.head_dim - from);
        mix<Q, float>(tile, wide.values(from, dims), dims, from, nullptr, 0);
    }
}

template <class C, int Q = TILE>
void fold_some(const Attention& a, Tile& tile, int queries, Wide<C>& wide, bool only) {
    if (queries == Q) fold<C, Q>(a, tile, wide, only);
    else if constexpr (Q > 1) fold_some<C, Q - 1>(a, tile, queries, wide, only);
}

// ---- attend

inline float* part_of(const Attention& a, const Span& s, float* partial, Index row, Index head) {
    Index group = a.heads / a.key_heads;
    return partial + ((row - s.first) * group + head) * (a.head_dim + 2);
}

inline void clear(const Attention& a, const Span& s, float* partial) {
    Index parts = (s.last - s.first) * (a.heads / a.key_heads);
    for (Index i = 0; i < parts; ++i) {
        float* part = partial + i * (a.head_dim + 2);
        std::memset(part, 0, (a.head_dim + 1) * sizeof(float));
        part[a.head_dim + 1] = -std::numeric_limits<float>::infinity();
    }
}

// The query `index` of those of rows [row, ...): heads of the group within a row.
template <class C>
void place(const Attention& a, const Span& s, float* partial, const Block<C>& block, Index row,
           Index index, Tile& tile, int at) {
    Index group = a.heads / a.key_heads, head = index % group;
    row += index / group;
    Index of_row = s.key_head * group + head;
    if constexpr (Block<C>::scaled) {
        Index of_all = row * a.heads + of_row;
        tile.q[at] = a.rounded.values + of_all * a.head_dim;
        tile.q_scale[at] = a.rounded.scales[of_all];
        tile.start[at] = a.rounded.totals[of_all];
    } else {
        tile.q[at] = static_cast<const C*>(a.q) + row * a.q_stride + of_row * a.head_dim;
    }
    tile.part[at] = part_of(a, s, partial, row, head);
    tile.count[at] = int(lesser(block.count, a.start + row + 1 - block.begin));
}

template <class C>
void attend_block(const Attention& a, const Span& s, float* partial, Wide<C>& wide, Tile& tile) {
    const Block<C>& block = wide.block();
    // Earlier rows see nothing of this block.
    Index row = greater(s.first, block.begin - a.start);
    Index queries = (s.last - row) * (a.heads / a.key_heads);
    for (Index i = 0; i < queries; i += TILE) {
        int count = int(lesser(TILE, queries - i));
        for (int at = 0; at < count; ++at)
            place(a, s, partial, block, row, i + at, tile, at);
        fold_some<C>(a, tile, count, wide, queries <= TILE);
    }
}

template <class C> void attend_in(const Attention& a, const Span& s, float* partial) {
    clear(a, s, partial);
    if (s.first >= s.last) return;
    Index begin = s.span * SPAN, end = lesser(begin + SPAN, a.start + s.last);
    if (begin >= end) return;
    Block<C> blocks[2];
    Wide<C> wide;
    Tile tile;
    locate(a, s.key_head, begin, end, blocks[0]);
    for (int at = 0; begin < end; begin += BLOCK, at = 1 - at) {
        Block<C>&block = blocks[at], &next = blocks[1 - at];
        next.count = 0;
        if (begin + BLOCK < end) locate(a, s.key_head, begin + BLOCK, end, next);
        wide.take(block, next);
        attend_block(a, s, partial, wide, tile);
    }
}

template <class E> void attend(const Attention& a, const Span& s, float* partial) {
    if (a.cache.key_scales) attend_in<std::int8_t>(a, s, partial);
    else attend_in<E>(a, s, partial);
}

// ---- int8 keys and values

// Of one head: its largest size, NaN if any of it is not finite.
template <class E> float peak_of(const E* x, Index dims) {
    Floats peaks = zeros(), unusable = zeros();
    for_vectors(dims, [&](Index i, int count) {
        Floats value = load_some(x + i, count);
        peaks = max(peaks, max(value, zeros() - value));
        unusable = unusable + value * zeros();
    });
    return sum(unusable) == 0 ? largest(peaks) : std::numeric_limits<float>::quiet_NaN();
}

// Rounded to the nearest, ties to even; their sum.
template <class E>
std::int32_t round_head(const E* x, Index dims, float inverse, std::int8_t* out) {
    Floats total = zeros();
    for_vectors(dims, [&](Index i, int count) {
        Floats whole = round(load_some(x + i, count) * broadcast(inverse));
        total = total + whole;
        store_some_bytes(out + i, whole, count);
    });
    return std::int32_t(sum(total));
}

// x (heads, d) E -> whole numbers and a scale for each head, NaN for one that is not finite.
template <class E>
void round_heads(const void* x, Index heads, Index head_dim, const Quantised& out) {
    for (Index head = 0; head < heads; ++head) {
        const E* row = static_cast<const E*>(x) + head * head_dim;
        std::int8_t* values = out.values + head * head_dim;
        float peak = peak_of(row, head_dim);
        std::int32_t total = 0;
        // Zero, too, if so small that 127 / peak would be infinite.
        if (peak > 1e-30f) total = round_head(row, head_dim, 127 / peak, values);
        else std::memset(values, 0, std::size_t(head_dim));
        out.scales[head] = peak / 127;
        if (out.totals) out.totals[head] = -128 * total;
    }
}

// ---- combine

// Parts of one query, one for each span.
struct Parts {
    const float* first;
    Index step, spans, head_dim;
    const float* at(Index span) const { return first + span * step; }
    // A span that the query sees nothing of has no say, not even through its peak.
    bool empty(Index span) const { return at(span)[head_dim] == 0; }
    float weight(Index span) const { return at(span)[head_dim]; }
    float peak(Index span) const { return at(span)[head_dim + 1]; }
};

inline float overall_peak(const Parts& parts) {
    float peak = -std::numeric_limits<float>::infinity();
    for (Index span = 0; span < parts.spans; ++span)
        if (!parts.empty(span) && parts.peak(span) > peak) peak = parts.peak(span);
    return finite_peak(peak);
}

template <class E>
void combine_dims(const Parts& parts, float peak, Index from, Index dims, E* y) {
    float total[DIMS] = {}, weights = 0;
    for (Index span = 0; span < parts.spans; ++span) {
        if (parts.empty(span)) continue;
        float factor = exp_of(parts.peak(span) - peak);
        weights = weights + parts.weight(span) * factor;
        for_vectors(dims, [&](Index i, int count) {
            Floats part = load_some(parts.at(span) + from + i, count);
            Floats sum = load_some(total + i, count) + part * broadcast(factor);
            store_some(total + i, sum, count);
        });
    }
    for_vectors(dims, [&](Index i, int count) {
        store_some(y + from + i, load_some(total + i, count) / broadcast(weights), count);
    });
}

template <class E>
void combine(const Attention& a, const Span& s, const float* partials, Index spans) {
    Index group = a.heads / a.key_heads, queries = (s.last - s.first) * group;
    for (Index i = 0; i < queries; ++i) {
        Index row = s.first + i / group, head = s.key_head * group + i % group;
        Parts parts{partials + i * (a.head_dim + 2), queries * (a.head_dim + 2), spans, a.head_dim};
        E* y = static_cast<E*>(a.y) + row * a.y_stride + head * a.head_dim;
        float peak = overall_peak(parts);
        for (Index from = 0; from < a.head_dim; from += DIMS)
            combine_dims(parts, peak, from, lesser(DIMS, a.head_dim - from), y);
    }
}

}  // namespace attention_detail

template <class E> void fill_attention(Kernels& table) {
    table.rotate = attention_detail::rotate<E>;
    table.attend = attention_detail::attend<E>;
    table.round_heads = attention_detail::round_heads<E>;
    table.combine = attention_detail::combine<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
