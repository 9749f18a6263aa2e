// The table of kernels, one for each instruction set and element type; what a plan calls.
//
// An element is what activations, keys and values are held in: float32 or bfloat16 ("E" below).
// A kernel computes a range of its work on one thread; who computes what changes no result. Row
// kernels give a row the same bits whatever rows stand beside it. Nothing here allocates.
//
// T tokens (rows of one call), K columns in, N columns out, H heads, P head dim, G groups,
// S state dim, W taps, C channels, V key heads, d head dim of attention.
#pragma once

#include <cstddef>
#include <cstdint>

namespace naga {

enum class Element : int { float32, bfloat16 };
enum class Isa : int { portable, avx2, avx512, avx512_bf16 };

using Index = std::int64_t;

// What a packed weight is held in. int8 and int4 are whole multiples of a scale (bfloat16) that a
// group of columns shares: 8 + 16 / group and 4 + 16 / group bits a weight. Their bytes are the
// same on every instruction set; those of elements are not.
enum class Format : int { element, int8, int4 };

// Groups are whole steps of the kernels.
constexpr Index GROUP_STEP = 32;
// So many columns may share a scale: more products of 255 and 127 could pass 2^31. Sums of as many
// whole numbers of a row of x stay below 2^24 besides, where float32 is exact.
constexpr Index MOST_SHARED = (Index(1) << 31) / (255 * 127);
// The group that kernels see where one of `group` columns is asked for; 0 asks for all of them.
constexpr Index whole_group(Index group, Index columns) {
    return group ? group : (columns + GROUP_STEP - 1) / GROUP_STEP * GROUP_STEP;
}

// A weight (N, K) packed by `Kernels::pack`: panels of columns of y, zero beyond N and K.
struct Matrix {
    Index rows = 0;     // N
    Index columns = 0;  // K
    const void* data = nullptr;  // of int8 and int4 at any address
    Format format = Format::element;
    Index group = 0;  // columns that share a scale, in steps of 32; 0 for Format::element
};

// Rows of x as a quantised weight meets them: int8 times a float32 scale for each group.
struct Quantised {
    std::int8_t* values = nullptr;   // (T, groups · group), zeros beyond K
    float* scales = nullptr;         // (T, groups); NaN where the row is not finite
    std::int32_t* totals = nullptr;  // (T, groups): -128 times the sum of the values
};

enum class Store : int {
    element,  // y (E) = x W^T
    wide,     // y (float32) = scale · (x W^T), not rounded
    add,      // y (E) += scale · (x W^T), rounded to E after each of the three operations
};

struct Product {
    const void* x;  // (T, K) E; unused where the weight is quantised
    Index x_stride; // elements from row to row
    Index rows;     // T
    const Matrix* matrix;
    void* y;
    Index y_stride;
    Store store = Store::element;
    float scale = 1;
    Quantised quantised = {};  // instead of x where the weight is int8 or int4
};

// x / sqrt(mean(x²) + eps) · weight over each of `groups` equal parts of a row.
struct RmsNorm {
    const void* x;  // (T, D) E
    Index x_stride;
    const float* weight;  // (D,)
    Index dim;
    float eps;
    void* y;  // (T, D) E
    Index y_stride;
};

// gate_first: rms_norm over each group of silu(z)·y, then · weight. norm_first: rms_norm over each
// group of y, then · weight · silu(z). gate_alone: silu(z)·y, the weight unused.
enum class Gate : int { gate_first, norm_first, gate_alone };
struct GatedNorm {
    const float* y;  // (T, D)
    Index y_stride;
    const void* z;  // (T, D) E
    Index z_stride;
    const float* weight;
    Index dim, groups;
    float eps;
    void* out;  // (T, D) E
    Index out_stride;
    Gate order = Gate::gate_first;
};

// Causal depthwise taps with silu, of one sequence.
struct Convolution {
    const void* x;  // (T, C) E
    Index x_stride;
    Index rows, channels, width;
    const float* weight;  // (W, C): tap W-1 meets the token itself
    const float* bias;    // (C,)
    void* before;         // (W-1, C) E: the inputs before these; replaced by the last W-1
    bool fresh;           // a new sequence: `before` counts as zeros and is never read
    float* y;             // (T, C), rounded to E
    Index y_stride;
};

// The sequential scan of one sequence (arXiv 2405.21060), heads outside the time loop.
struct Scan {
    const float* x;  // (T, H·P) after the convolution
    const float* B;  // (T, G·S)
    const float* C;  // (T, G·S)
    Index stride;    // of x, B and C
    const void* dt;  // (T, H) E, before bias and softplus
    Index dt_stride;
    Index rows, heads, head_dim, groups, state_dim;
    const float* dt_bias;  // (H,)
    const float* A;        // (H,), negative
    const float* D;        // (H,)
    float dt_low, dt_high; // bounds on softplus(dt + bias)
    float* state;          // (H, P, S): from initial to final
    bool fresh;            // counts as zeros and is never read
    float* y;              // (T, H·P)
    Index y_stride;
};

// The selective scan of one sequence (arXiv 2312.00752) and its gate: every channel has its own
// decays. C channels here.
struct SelectiveScan {
    const float* x;  // (T, C) after the convolution
    Index x_stride;
    const float* B;  // (T, S)
    const float* C;  // (T, S)
    Index stride;    // of B and C
    const void* dt;  // (T, C) E, before bias and softplus
    Index dt_stride;
    const void* z;  // (T, C) E
    Index z_stride;
    Index rows, channels, state_dim;
    const float* dt_bias;  // (C,)
    const float* A;        // (C, S), negative
    const float* D;        // (C,)
    float* state;          // (C, S): from initial to final
    bool fresh;            // counts as zeros and is never read
    void* y;               // (T, C) E: silu(z) times what the scan gives
    Index y_stride;
};

// Rotary embedding in place of a head's first dims: (T, heads, d), positions start, start + 1, ...
struct Rotation {
    void* x;  // E
    Index x_stride;
    Index rows, heads, head_dim, start;
    const float* inverse;  // (r/2,) 1 / base^(2i/r)
    Index rotary_dim;      // r, the dims that rotate; even
};

// Pages of one layer; position p lies in pages[p / page_size] at row p % page_size.
struct Pages {
    void* keys;    // (pages, page_size, V, d): E, or int8 if there are scales
    void* values;  // the same
    const Index* pages;
    Index page_size;
    float* key_scales = nullptr;    // (pages, page_size, V)
    float* value_scales = nullptr;  // the same
};

// Queries of one sequence over its own past; a key head serves H / V query heads.
struct Attention {
    const void* q;  // (T, H·d) E
    Index q_stride;
    Index rows, heads, key_heads, head_dim;
    Index start;  // position of the first query
    Pages cache;  // already holds the keys and values of these tokens
    float scale;
    void* y;  // (T, H·d) E
    Index y_stride;
    Quantised rounded = {};  // q (T, H·d) in groups of d; read where keys are int8
};

// The part of one key head's attention that keys of one span give to rows [first, last).
struct Span {
    Index key_head, first, last;
    Index span;  // keys [span · SPAN, (span + 1) · SPAN)
};
constexpr Index SPAN = 1024;

// Weights of some of a row's logits: exp((logit - peak) · sharpness).
struct Softmax {
    const float* logits;
    Index count;
    float peak, sharpness;
    float* weights;  // (count,)
};

struct Kernels {
    const char* name;
    Isa isa;
    Element element;
    Index element_bytes;

    // linear
    // Of a matrix whose data is not set yet: panels of y, bytes to allocate.
    Index (*panels)(const Matrix&);
    std::size_t (*packed_bytes)(const Matrix&);
    // weight (N, K) E -> panels [first, last) of `packed`, in the matrix's format. Rounds to the
    // nearest; with importance (K,), nonnegative, scales are those of a small grid that make the
    // sum of importance · (w - ŵ)² least. importance may be null, and is for Format::element.
    void (*pack)(const void* weight, const float* importance, const Matrix&, Index first,
                 Index last, void* packed);
    // x (T, K) E -> rows [first, last) of `out`, in groups as the matrices that meet them have
    void (*quantise)(const void* x, Index x_stride, Index columns, Index group, Index first,
                     Index last, const Quantised& out);
    // row n of W as E: an embedding
    void (*packed_row)(const Matrix&, Index row, void* out);
    // panels [first, last) of y
    void (*product)(const Product&, Index first, Index last);
    // float32 weights and inputs whatever the element is: routers. y (T, N) float32
    void (*wide_product)(const float* x, Index rows, Index columns, const float* weight, Index out,
                         float* y, Index first_row, Index last_row);

    // norm; rows [first, last)
    void (*rms_norm)(const RmsNorm&, Index first, Index last);
    void (*gated_norm)(const GatedNorm&, Index first, Index last);

    // conv1d; channels [first, last)
    void (*convolve)(const Convolution&, Index first, Index last);

    // ssd; heads [first, last)
    void (*scan)(const Scan&, Index first, Index last);

    // selective_scan; channels [first, last)
    void (*selective_scan)(const SelectiveScan&, Index first, Index last);

    // attention
    void (*rotate)(const Rotation&, Index first, Index last);
    // x (heads, d) E -> int8 in groups of d, as Pages holds them; out.totals may be null
    void (*round_heads)(const void* x, Index heads, Index head_dim, const Quantised& out);
    // One span's part for (last - first) rows of one key head's H / V query heads:
    // partial (rows, H / V, d + 2) float32: the weighted sum of values, the sum of weights, the
    // peak. Parts do not depend on how rows and spans are shared out.
    void (*attend)(const Attention&, const Span&, float* partial);
    // Adds the parts of spans 0 .. spans-1 in their order and writes y.
    // partials (spans, rows, H / V, d + 2)
    void (*combine)(const Attention&, const Span&, const float* partials, Index spans);

    // pointwise, rows [first, last) of (T, 2·inner) or (T, inner)
    void (*swiglu)(const void* x, Index x_stride, Index inner, void* y, Index y_stride, Index first,
                   Index last);
    void (*relu2)(const void* x, Index x_stride, Index inner, void* y, Index y_stride, Index first,
                  Index last);
    // x (T, columns) E times a factor, in place
    void (*scale)(void* x, Index x_stride, Index columns, float factor, Index first, Index last);
    // row · factor, rounded to E: embeddings
    void (*embed)(const float* row, Index dim, float factor, void* y);
    void (*widen)(const void* x, Index count, float* y);

    // moe, one token: the k experts and their weights; naga/ops/moe
    // `all`: weights are of the softmax over all experts, not over the chosen ones.
    void (*route_softmax)(const float* logits, Index experts, Index top_k, bool all,
                          std::int32_t* choices, float* weights);
    void (*route_sigmoid)(const float* logits, const float* bias, Index experts, Index top_k,
                          float scale, float* scores, std::int32_t* choices, float* weights);
    // y (E) += scale · round(sum of weights[k] · parts[k] (+ shared)); as `experts` rounds
    void (*add_experts)(const void* const* parts, const float* weights, Index top_k,
                        const void* shared, Index dim, float scale, void* y);

    // sampling: the largest of at least one logit; false if one is not finite
    bool (*peak)(const float* logits, Index count, float& peak);
    // the weights; returns their sum at sharpness 1
    double (*weigh)(const Softmax&);

    // the machine's limit
    // Products of registers alone, of the element or of int8; returns the multiply-adds done.
    double (*exhaust)(Format, Index rounds);
};

// The tables compiled in; nullptr where this processor or this build lacks the instructions.
const Kernels* kernels(Isa isa, Element element);
// The best this processor can run.
Isa best_isa();

}  // namespace naga
