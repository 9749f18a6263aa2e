// Memory for weights: one block that is given out in pieces.
//
// Weights are read from end to end at every token. On pages of 4 kB a virtual machine spends up to
// half of that time on translating addresses (docs/log.md), so the block asks for huge ones; a system
// without them works as well, more slowly. What is never touched takes no memory. Knows nothing of
// what it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace naga {

constexpr std::size_t HUGE_PAGE = std::size_t(2) << 20;

// Asks for huge pages where whole ones lie within [data, data + bytes), before they are touched.
inline void advise_huge(void* data, std::size_t bytes) {
#if defined(__linux__)
    auto first = (reinterpret_cast<std::uintptr_t>(data) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    auto last = (reinterpret_cast<std::uintptr_t>(data) + bytes) / HUGE_PAGE * HUGE_PAGE;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
    (void)data, (void)bytes;
#endif
}

class Arena {
  public:
    Arena() = default;
    // For pieces of so many bytes in all, each rounded up with `piece`.
    explicit Arena(std::size_t bytes)
        : block_(static_cast<char*>(std::aligned_alloc(HUGE_PAGE, round_up(bytes, HUGE_PAGE)))),
          left_(bytes) {
        if (!block_) throw std::bad_alloc();
        advise_huge(block_.get(), round_up(bytes, HUGE_PAGE));
    }
    // What a piece of `bytes` takes: whole cache lines.
    static std::size_t piece(std::size_t bytes) { return round_up(bytes, 64); }
    // Uninitialised, on a cache line; lives as long as the arena.
    char* take(std::size_t bytes) {
        if (piece(bytes) > left_) throw std::logic_error("an arena gave out more than it has");
        char* taken = block_.get() + taken_;
        taken_ += piece(bytes);
        left_ -= piece(bytes);
        return taken;
    }

  private:
    struct Free {
        void operator()(char* p) const { std::free(p); }
    };
    static std::size_t round_up(std::size_t n, std::size_t unit) {
        return (n + unit - 1) / unit * unit;
    }

    std::unique_ptr<char, Free> block_;
    std::size_t taken_ = 0, left_ = 0;
};

}  // namespace naga
