// Memory for weights: large blocks that are given out in pieces and freed together.
//
// Weights are read from end to end at every token; on huge pages that needs no address translation
// to speak of. Pieces are aligned to cache lines. Knows nothing of what it holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace naga {

class Arena {
  public:
    // Uninitialised; lives as long as the arena.
    void* take(std::size_t bytes) {
        std::size_t whole = round_up(bytes, LINE);
        if (whole > left_) grow(whole);
        void* piece = next_;
        next_ += whole;
        left_ -= whole;
        return piece;
    }

  private:
    static constexpr std::size_t LINE = 64, PAGE = std::size_t(2) << 20;
    static constexpr std::size_t BLOCK = std::size_t(64) << 20;
    static constexpr std::size_t SMALL = std::size_t(1) << 20;

    struct Free {
        void operator()(char* p) const { std::free(p); }
    };

    static std::size_t round_up(std::size_t n, std::size_t unit) {
        return (n + unit - 1) / unit * unit;
    }

    void grow(std::size_t bytes) {
        // Blocks double from 1 MiB on: a small model does not take a large one.
        std::size_t wanted = std::min(BLOCK, SMALL << blocks_.size());
        std::size_t size = round_up(std::max(bytes, wanted), bytes < SMALL ? LINE : PAGE);
        auto* block = static_cast<char*>(std::aligned_alloc(PAGE, round_up(size, PAGE)));
        if (!block) throw std::bad_alloc();
#if defined(__linux__)
        // Only advice: a system without huge pages works as well, more slowly.
        if (size >= PAGE) madvise(block, size, MADV_HUGEPAGE);
#endif
        blocks_.emplace_back(block);
        next_ = block;
        left_ = size;
    }

    std::vector<std::unique_ptr<char, Free>> blocks_;
    char* next_ = nullptr;
    std::size_t left_ = 0;
};

}  // namespace naga
