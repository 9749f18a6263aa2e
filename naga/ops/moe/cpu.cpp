// Routers and the sum over a token's experts; the products themselves are linear's.
//
// Scalar where a token has but a few numbers. Of equal scores the lower index wins.

namespace naga {
namespace NAGA_ISA {
namespace moe_detail {

// The k largest of scores, largest first.
inline void choose(const float* scores, Index experts, Index top_k, std::int32_t* choices) {
    for (Index k = 0; k < top_k; ++k) {
        std::int32_t best = -1;
        for (Index e = 0; e < experts; ++e) {
            bool taken = false;
            for (Index j = 0; j < k; ++j) taken |= choices[j] == e;
            // NaN is never larger: a row of them still yields k different experts.
            if (!taken && (best < 0 || scores[e] > scores[best])) best = std::int32_t(e);
        }
        choices[k] = best;
    }
}

inline void route_softmax(const float* logits, Index experts, Index top_k, bool all,
                          std::int32_t* choices, float* weights) {
    choose(logits, experts, top_k, choices);
    float total = 0;
    auto power = [&](Index e) { return std::exp(logits[e] - logits[choices[0]]); };
    for (Index k = 0; k < top_k; ++k) total += weights[k] = power(choices[k]);
    if (all) {
        total = 0;
        for (Index e = 0; e < experts; ++e) total += power(e);
    }
    for (Index k = 0; k < top_k; ++k) weights[k] /= total;
}

// `scores` (experts,) is scratch: scores for choosing, bias included.
inline void route_sigmoid(const float* logits, const float* bias, Index experts, Index top_k,
                          float scale, float* scores, std::int32_t* choices, float* weights) {
    auto sigmoid = [&](Index e) {
        return 1 / (1 + std::exp(-logits[e] > 80 ? 80.0f : -logits[e]));
    };
    for (Index e = 0; e < experts; ++e) scores[e] = sigmoid(e) + bias[e];
    choose(scores, experts, top_k, choices);
    float total = 0;
    for (Index k = 0; k < top_k; ++k) total += weights[k] = sigmoid(choices[k]);
    for (Index k = 0; k < top_k; ++k) weights[k] = weights[k] / (total + 1e-20f) * scale;
}

template <class E>
void add_experts(const void* const* parts, const float* weights, Index top_k, const void* shared,
                 Index dim, float scale, void* y) {
    E* out = static_cast<E*>(y);
    for_vectors(dim, [&](Index i, int count) {
        Floats total = load_some(static_cast<const E*>(parts[0]) + i, count) * broadcast(weights[0]);
        for (Index k = 1; k < top_k; ++k)
            total = total +
                    load_some(static_cast<const E*>(parts[k]) + i, count) * broadcast(weights[k]);
        total = rounded<E>(total);
        if (shared)
            total = rounded<E>(total + load_some(static_cast<const E*>(shared) + i, count));
        Floats sum = load_some(out + i, count) + rounded<E>(total * broadcast(scale));
        store_some(out + i, sum, count);
    });
}

}  // namespace moe_detail

template <class E> void fill_moe(Kernels& table) {
    table.route_softmax = moe_detail::route_softmax;
    table.route_sigmoid = moe_detail::route_sigmoid;
    table.add_experts = moe_detail::add_experts<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
