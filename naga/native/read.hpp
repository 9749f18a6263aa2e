// Reading memory for the sake of it: how fast that goes is what weights can be met with at most.
#pragma once

#include <cstddef>
#include <cstdint>

namespace naga {

// The sum of all words, so that no load can be left out; independent sums, so that none waits for
// another. Of any address and length.
inline std::uint64_t read_words(const void* data, std::size_t bytes) {
    // Two words at any address: wide enough to wait for memory alone, and every processor has them.
    typedef std::uint64_t Pair __attribute__((vector_size(16), aligned(1), may_alias));
    constexpr std::size_t pairs = 8, step = pairs * sizeof(Pair);
    const auto* from = static_cast<const std::uint8_t*>(data);
    Pair sums[pairs] = {};
    for (; bytes >= step; bytes -= step, from += step)
        for (std::size_t i = 0; i < pairs; ++i) sums[i] += reinterpret_cast<const Pair*>(from)[i];
    std::uint64_t total = 0;
    for (Pair sum : sums) total += sum[0] + sum[1];
    for (; bytes > 0; --bytes, ++from) total += *from;
    return total;
}

}  // namespace naga
