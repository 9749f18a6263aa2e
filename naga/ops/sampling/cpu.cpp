// Softmax weights of a row of logits, some at a time; native/sample.cpp draws from them.
#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace sampling_detail {

// Lanes beyond `count` hold `rest`.
inline Floats load_filled(const float* p, int count, float rest) {
    if (count == Floats::width) return load(p);
    float lanes[Floats::width];
    for (int i = 0; i < Floats::width; ++i) lanes[i] = i < count ? p[i] : rest;
    return load(lanes);
}

bool find_peak(const float* logits, Index count, float& peak) {
    Floats most = broadcast(logits[0]), unusable = zeros();
    for_vectors(count, [&](Index i, int some) {
        Floats x = load_filled(logits + i, some, logits[0]);
        most = max(x, most);
        unusable = unusable + x * zeros();  // NaN where x is not finite
    });
    peak = largest(most);
    return sum(unusable) == 0;
}

double weigh(const Softmax& softmax) {
    // Lanes add up 64 terms in float32 before they go into the total, in one order.
    constexpr int TERMS = 64;
    Floats part = zeros();
    int terms = 0;
    double total = 0;
    const float far = -std::numeric_limits<float>::infinity();
    for_vectors(softmax.count, [&](Index i, int some) {
        Floats below = load_filled(softmax.logits + i, some, far) - broadcast(softmax.peak);
        Floats weight = exp(below);
        part = part + weight;
        if (softmax.sharpness != 1) weight = exp(below * broadcast(softmax.sharpness));
        store_some(softmax.weights + i, weight, some);
        if (++terms == TERMS) {
            total += double(sum(part));
            part = zeros();
            terms = 0;
        }
    });
    return total + double(sum(part));
}

}  // namespace sampling_detail

template <class E> void fill_sampling(Kernels& table) {
    table.peak = sampling_detail::find_peak;
    table.weigh = sampling_detail::weigh;
}

}  // namespace NAGA_ISA
}  // namespace naga
