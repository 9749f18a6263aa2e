// Causal depthwise convolution with silu of one sequence, and the inputs it hands to the next call.
//
// A channel needs no other, so threads share out channels and each moves its own part of `before`.
// Sums begin with the bias and run from the oldest tap to the token itself, whatever the call's
// rows; what precedes a new sequence enters as zeros and is not read.
#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace conv1d_detail {

// Channels whose weights stay in the nearest cache over all rows; changes no result.
constexpr Index BLOCK = 256;

// Row k of x, or of `before` where k < 0; nullptr: zeros.
template <class E> inline const E* row_at(const Convolution& conv, Index k) {
    if (k >= 0) return static_cast<const E*>(conv.x) + k * conv.x_stride;
    if (conv.fresh) return nullptr;
    return static_cast<const E*>(conv.before) + (k + conv.width - 1) * conv.channels;
}

template <class E>
inline void convolve_row(const Convolution& conv, Index row, Index first, Index last) {
    float* y = conv.y + row * conv.y_stride;
    for_vectors(last - first, [&](Index i, int count) {
        Index channel = first + i;
        Floats total = load_some(conv.bias + channel, count);
        for (Index tap = 0; tap < conv.width; ++tap) {
            const E* x = row_at<E>(conv, row + tap - (conv.width - 1));
            Floats input = x ? load_some(x + channel, count) : zeros();
            const float* weight = conv.weight + tap * conv.channels + channel;
            total = fma(load_some(weight, count), input, total);
        }
        store_some(y + channel, rounded<E>(silu(total)), count);
    });
}

// The last W - 1 rows of [before | x] become `before`. Upwards: a row's source lies behind it.
template <class E> inline void carry(const Convolution& conv, Index first, Index last) {
    std::size_t bytes = std::size_t(last - first) * sizeof(E);
    for (Index row = 0; row < conv.width - 1; ++row) {
        E* kept = static_cast<E*>(conv.before) + row * conv.channels + first;
        const E* source = row_at<E>(conv, conv.rows + row - (conv.width - 1));
        if (source) std::memcpy(kept, source + first, bytes);
        else std::memset(kept, 0, bytes);
    }
}

template <class E> void convolve(const Convolution& conv, Index first, Index last) {
    if (conv.rows == 0) return;
    for (Index start = first; start < last; start += BLOCK) {
        Index end = start + BLOCK < last ? start + BLOCK : last;
        for (Index row = 0; row < conv.rows; ++row) convolve_row<E>(conv, row, start, end);
        carry<E>(conv, start, end);
    }
}

}  // namespace conv1d_detail

template <class E> void fill_conv1d(Kernels& table) {
    table.convolve = conv1d_detail::convolve<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
