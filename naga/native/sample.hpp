// One token from one row of logits by Gumbel-max; the law is naga/ops/sampling/reference.py.
//
// A team of threads shares a row, and a team may be one thread. The result has the same bits for
// every number of threads and of rows: it depends on the logits, the seed, the choice and the
// position. Instruction sets differ by rounding, as kernels do: in the log-probability, and in the
// last token of top-p where the mass is within rounding of it. Knows no model. A row has fewer than
// four million logits.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "kernels.hpp"
#include "pool.hpp"

namespace naga {

struct Draw {
    double temperature = 1, top_p = 1;  // 0: the most likely token
    Index top_k = 0;                    // 0: all
    std::uint64_t seed = 0, choice = 0, position = 0;
    // Added to logits before all else; below infinity. -infinity forbids the token.
    std::vector<std::pair<Index, float>> bias = {};
    const unsigned char* mask = nullptr;  // bit i % 8 of byte i / 8: token i is allowed; null: all
    Index mask_bytes = 0;                 // tokens beyond them are not allowed
    Index forced = -1;                    // this token, whatever is likely
    Index top = 0;                        // how many of the most likely tokens to report
};

struct Chosen {
    Index token;     // -1 if a logit is NaN or infinite, -2 if bias and mask leave none
    double logprob;  // under the plain softmax
    // The most likely tokens under it, lower ids first among equals.
    std::vector<std::pair<Index, double>> top = {};
};

// Memory for one row of `count` logits at a time, and what is done in it.
class Sampler {
  public:
    // For teams of at most `threads`.
    Sampler(const Kernels& kernels, Index count, int threads);
    // Every thread of the team calls it alike. `chosen` is written by one, before any returns.
    void sample(Team& team, const float* logits, const Draw& draw, Chosen& chosen);

  private:
    static constexpr std::uint32_t BUCKETS = 2048;
    using Histogram = std::array<std::uint64_t, BUCKETS>;
    // Of a fixed part of the row, so that sums over them have one order.
    struct Chunk {
        float peak;  // infinite if any of its logits is NaN or infinite
        double total;
    };
    struct Best {
        Index token;
        double score;
        bool before(const Best& other) const {
            return score != other.score ? score > other.score : token < other.token;
        }
    };
    // Kept are tokens of larger logits, and of those with this logit the ones up to `last`.
    struct Cut {
        std::uint32_t key;   // of the logit, its upper bits first
        std::uint64_t need;  // what larger logits do not amount to
        Index last;
    };
    class Contest;

    template <class F> void each_chunk(Team& team, F f) const;
    float find_peak(Team& team, const float* logits);
    float highest() const;
    double total() const;
    void weigh(Team& team, const float* logits, float peak, double temperature);
    void mask(Team& team, const float* logits, const Draw& draw);
    template <class Amount, class Need>
    void keep(Team& team, const float* logits, Amount amount, Need need);
    void merge(int threads);
    void narrow(int low);
    template <class Amount> Index last_of_equals(const float* logits, Amount amount) const;
    void drop(Team& team, const float* logits);
    void search(Team& team, const float* logits, float peak, const Draw& draw);
    Index first_with(const float* logits, float peak) const;
    Index pick(Team& team, const float* logits, float peak, const Draw& draw);
    Index pick_of_rest(Team& team, const float* logits, const Draw& draw);
    void add_bias(Team& team, const Draw& draw);
    void find_top(Team& team, const float* logits, Index top);
    Chosen conclude(int threads, const float* logits, float peak, double total, Index token,
                    const Draw& draw) const;

    const Kernels& kernels_;
    Index count_;
    std::vector<float> weights_;  // (count,) and zeros up to a whole block of noise
    std::vector<Chunk> chunks_;
    std::vector<Histogram> histograms_;  // one for each thread
    std::vector<Best> bests_;            // one for each thread
    std::vector<float> rest_;  // logits that bias and mask leave; empty until some come
    std::vector<std::vector<Best>> tops_;  // one for each thread, best first
    Cut cut_{};
};

}  // namespace naga
