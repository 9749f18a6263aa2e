#include "sample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace naga {
namespace {

// Tokens of a chunk: whole vectors of every instruction set, and whole blocks of noise.
constexpr Index CHUNK = 1024;
constexpr Index BLOCK = 4;
// Weights as whole numbers of this much: their sums are exact, so that they have no order.
constexpr float QUANTUM = 1.0f / float(std::uint64_t(1) << 42);

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

// Float32 in the order of unsigned numbers; both zeros are one.
std::uint32_t key_of(float x) {
    std::uint32_t bits;
    x += 0.0f;
    std::memcpy(&bits, &x, 4);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}
float of_key(std::uint32_t key) {
    std::uint32_t bits = key ^ (key >> 31 ? 0x80000000u : 0xffffffffu);
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

// Philox 4x64-10 (Salmon et al., SC 2011), keyed and counted as NumPy's Philox is: block b of a
// position has the counter (b + 1, position, 0, 0) and gives the noise of tokens 4b .. 4b + 3.
// One block at a time: the processor overlaps the next by itself, with all words in registers.
struct Noise {
    std::uint64_t seed, choice, position;

    void block(Index number, std::uint64_t* words) const {
        std::uint64_t a = std::uint64_t(number) + 1, b = position, c = 0, d = 0;
        std::uint64_t key0 = seed, key1 = choice;
        for (int round = 0; round < 10; ++round) {
            Product first(0xD2E7470EE14C6C93u, a), second(0xCA5A826395121157u, c);
            a = second.high() ^ b ^ key0;
            b = second.low();
            c = first.high() ^ d ^ key1;
            d = first.low();
            key0 += 0x9E3779B97F4A7C15u;
            key1 += 0xBB67AE8584CAA73Bu;
        }
        words[0] = a, words[1] = b, words[2] = c, words[3] = d;
    }

  private:
    struct Product {
        unsigned __int128 value;
        Product(std::uint64_t a, std::uint64_t b)
            : value(static_cast<unsigned __int128>(a) * b) {}
        std::uint64_t low() const { return std::uint64_t(value); }
        std::uint64_t high() const { return std::uint64_t(value >> 64); }
    };
};

template <class Histogram> std::uint64_t sum_of(const Histogram& histogram) {
    return std::accumulate(histogram.begin(), histogram.end(), std::uint64_t(0));
}

// A word's uniform number u is the middle of one of so many cells of (0, 1).
constexpr std::uint64_t CELLS = std::uint64_t(1) << 52;

// (1 - u) · CELLS
double cells_to_one(std::uint64_t word) { return double(std::int64_t(CELLS - (word >> 12))) - 0.5; }

// logits of eight tokens where `allowed` has their bit, -infinity elsewhere.
void allow(const float* logits, unsigned allowed, Index count, float* rest) {
    for (Index i = 0; i < count; ++i) rest[i] = allowed >> i & 1 ? logits[i] : -INFINITY;
}

double gumbel(std::uint64_t word) {
    return -std::log(-std::log((double(std::int64_t(word >> 12)) + 0.5) / double(CELLS)));
}

}  // namespace

Sampler::Sampler(const Kernels& kernels, Index count, int threads)
    : kernels_(kernels),
      count_(count),
      weights_(std::size_t(divide_up(count, BLOCK) * BLOCK)),
      chunks_(std::size_t(divide_up(count, CHUNK))),
      histograms_(std::size_t(threads)),
      bests_(std::size_t(threads)),
      tops_(std::size_t(threads)) {}

// f(chunk, its first token, the token after its last) for this thread's share.
template <class F> void Sampler::each_chunk(Team& team, F f) const {
    const Index chunks = Index(chunks_.size());
    for (Index i = team.begin(chunks); i < team.end(chunks); ++i)
        f(std::size_t(i), i * CHUNK, std::min((i + 1) * CHUNK, count_));
}

float Sampler::find_peak(Team& team, const float* logits) {
    each_chunk(team, [&](std::size_t i, Index begin, Index end) {
        if (!kernels_.peak(logits + begin, end - begin, chunks_[i].peak))
            chunks_[i].peak = INFINITY;
    });
    team.barrier();
    return highest();
}

float Sampler::highest() const {
    float peak = chunks_[0].peak;
    for (const Chunk& chunk : chunks_) peak = std::max(peak, chunk.peak);
    return peak;
}

double Sampler::total() const {
    double total = 0;
    for (const Chunk& chunk : chunks_) total += chunk.total;
    return total;
}

void Sampler::weigh(Team& team, const float* logits, float peak, double temperature) {
    // A bound keeps 0 · infinity away; weights are upper bounds then, which is all they need to be.
    const double sharpness = temperature > 0 ? std::min(1 / temperature, 1e30) : 1;
    each_chunk(team, [&](std::size_t i, Index begin, Index end) {
        chunks_[i].total = kernels_.weigh(
            {logits + begin, end - begin, peak, float(sharpness), weights_.data() + begin});
    });
    team.barrier();
}

// The weights of tokens that top-k, then top-p leave out become 0.
void Sampler::mask(Team& team, const float* logits, const Draw& draw) {
    using Amount = std::uint64_t;
    auto one = [](Index) { return Amount(1); };
    auto mass = [&](Index token) {
        return Amount(std::llrint(weights_[std::size_t(token)] / QUANTUM));
    };
    if (draw.top_k && draw.top_k < count_)
        keep(team, logits, one, [&](Amount) { return Amount(draw.top_k); });
    if (draw.top_p < 1)
        keep(team, logits, mass, [&](Amount all) {
            return std::min(all, Amount(std::ceil(draw.top_p * double(all))));
        });
}

// Keeps the most likely tokens, no more of them than make up need(amount of all). Sorts nothing:
// finds the bucket of logits in which the last one lies, in it a smaller bucket, then the logit.
template <class Amount, class Need>
void Sampler::keep(Team& team, const float* logits, Amount amount, Need need) {
    std::uint32_t known = 0;
    for (int low : {22, 11, 0}) {
        Histogram& own = histograms_[std::size_t(team.rank)];
        own.fill(0);
        each_chunk(team, [&](std::size_t, Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const std::uint32_t bucket = (key_of(logits[i]) >> low) - (known >> low);
                if (bucket < BUCKETS) own[bucket] += amount(i);
            }
        });
        team.barrier();
        if (team.rank == 0) {
            merge(team.size());
            if (low == 22) cut_ = {0, need(sum_of(histograms_[0])), 0};
            narrow(low);
            if (low == 0) cut_.last = last_of_equals(logits, amount);
        }
        team.barrier();
        known = cut_.key;
    }
    drop(team, logits);
}

// All threads' histograms into the first.
void Sampler::merge(int threads) {
    for (int rank = 1; rank < threads; ++rank)
        for (std::size_t i = 0; i < BUCKETS; ++i)
            histograms_[0][i] += histograms_[std::size_t(rank)][i];
}

// Into the bucket, of 2^low keys each, where the amount that is needed is reached from above.
void Sampler::narrow(int low) {
    std::uint32_t bucket = BUCKETS - 1;
    for (; histograms_[0][bucket] < cut_.need; --bucket) cut_.need -= histograms_[0][bucket];
    cut_.key += bucket << low;
}

// Lower ids come first.
template <class Amount>
Index Sampler::last_of_equals(const float* logits, Amount amount) const {
    const float logit = of_key(cut_.key);
    std::uint64_t need = cut_.need;
    for (Index token = 0;; ++token) {
        if (logits[token] != logit) continue;
        if (amount(token) >= need) return token;
        need -= amount(token);
    }
}

void Sampler::drop(Team& team, const float* logits) {
    const float logit = of_key(cut_.key);
    float* weights = weights_.data();
    each_chunk(team, [&](std::size_t, Index begin, Index end) {
        const Index middle = std::max(begin, std::min(cut_.last + 1, end));
        for (Index i = begin; i < middle; ++i) weights[i] = logits[i] < logit ? 0 : weights[i];
        for (Index i = middle; i < end; ++i) weights[i] = logits[i] <= logit ? 0 : weights[i];
    });
    team.barrier();
}

// The token with the largest (logit - peak) / temperature + noise, of those offered.
class Sampler::Contest {
  public:
    Contest(const Sampler& sampler, const float* logits, float peak, const Draw& draw)
        : weights_(sampler.weights_.data()),
          logits_(logits),
          peak_(peak),
          temperature_(draw.temperature),
          noise_{draw.seed, draw.choice, draw.position} {}

    // The tokens of one block of noise. Noise is at most -log(1 - u), so that a token loses unless
    // 1 - u < weight · exp(-best score): where not even the first of all cells is so near to one,
    // nothing is computed.
    void offer(Index block) {
        const float* weights = weights_ + block * BLOCK;
        const float most = std::max(std::max(weights[0], weights[1]),
                                    std::max(weights[2], weights[3]));
        if (double(most) * reach_ < 0.5) return;
        std::uint64_t words[BLOCK];
        noise_.block(block, words);
        for (Index i = 0; i < BLOCK; ++i)
            if (cells_to_one(words[i]) <= double(weights[i]) * reach_)
                enter(block * BLOCK + i, words[i]);
    }
    const Best& best() const { return best_; }

  private:
    void enter(Index token, std::uint64_t word) {
        const double scaled = (double(logits_[token]) - peak_) / temperature_;
        const Best found{token, scaled + gumbel(word)};
        if (!found.before(best_)) return;
        best_ = found;
        // The margin covers what the rounding of a weight could hide.
        reach_ = 1.001 * std::exp(-found.score) * double(CELLS);
    }

    const float* weights_;
    const float* logits_;
    double peak_, temperature_;
    Noise noise_;
    Best best_{0, -INFINITY};
    // A token's weight times this: how many cells from one its u may be for it to win.
    double reach_ = std::numeric_limits<double>::max();
};

void Sampler::search(Team& team, const float* logits, float peak, const Draw& draw) {
    Contest contest(*this, logits, peak, draw);
    // A likely token first: it makes nearly all others lose at once.
    contest.offer(first_with(logits, peak) / BLOCK);
    each_chunk(team, [&](std::size_t, Index begin, Index end) {
        for (Index i = begin; i < end; i += BLOCK) contest.offer(i / BLOCK);
    });
    bests_[std::size_t(team.rank)] = contest.best();
    team.barrier();
}

Index Sampler::first_with(const float* logits, float peak) const {
    std::size_t i = 0;
    while (chunks_[i].peak != peak) ++i;
    return std::find(logits + Index(i) * CHUNK, logits + count_, peak) - logits;
}

void Sampler::sample(Team& team, const float* logits, const Draw& draw, Chosen& chosen) {
    const float peak = find_peak(team, logits);
    double all = 0;
    Index token = -1;
    if (std::isfinite(peak)) {
        const bool whole = draw.bias.empty() && !draw.mask;
        weigh(team, logits, peak, whole ? draw.temperature : 1);
        all = total();
        if (draw.top) find_top(team, logits, draw.top);
        if (draw.forced >= 0) token = draw.forced;
        else token = whole ? pick(team, logits, peak, draw) : pick_of_rest(team, logits, draw);
    }
    if (team.rank == 0)
        chosen = token >= 0 ? conclude(team.size(), logits, peak, all, token, draw)
                            : Chosen{token, 0};
    // Before anyone begins another row.
    team.barrier();
}

// Of weighed logits.
Index Sampler::pick(Team& team, const float* logits, float peak, const Draw& draw) {
    if (draw.temperature == 0) return first_with(logits, peak);
    mask(team, logits, draw);
    search(team, logits, peak, draw);
    Best best = bests_[0];
    for (int rank = 1; rank < team.size(); ++rank)
        if (bests_[std::size_t(rank)].before(best)) best = bests_[std::size_t(rank)];
    return best.token;
}

// Of what bias and mask leave; weighs it anew.
Index Sampler::pick_of_rest(Team& team, const float* logits, const Draw& draw) {
    // The barrier also keeps `total` of the whole row together.
    if (team.rank == 0) rest_.resize(std::size_t(count_));
    team.barrier();
    each_chunk(team, [&](std::size_t, Index begin, Index end) {
        for (Index i = begin; i < end; i += 8)
            allow(logits + i, !draw.mask ? 255 : i / 8 < draw.mask_bytes ? draw.mask[i / 8] : 0,
                  std::min(end - i, Index(8)), rest_.data() + i);
    });
    add_bias(team, draw);
    each_chunk(team, [&](std::size_t i, Index begin, Index end) {
        chunks_[i].peak = *std::max_element(rest_.data() + begin, rest_.data() + end);
    });
    team.barrier();
    const float peak = highest();
    if (!std::isfinite(peak)) return peak > 0 ? -1 : -2;
    weigh(team, rest_.data(), peak, draw.temperature);
    return pick(team, rest_.data(), peak, draw);
}

// To this thread's share of the rest.
void Sampler::add_bias(Team& team, const Draw& draw) {
    const Index chunks = Index(chunks_.size());
    const Index begin = team.begin(chunks) * CHUNK, end = team.end(chunks) * CHUNK;
    for (const auto& [token, bias] : draw.bias)
        if (token >= begin && token < end) rest_[std::size_t(token)] += bias;
}

// The `top` largest logits of this thread's share.
void Sampler::find_top(Team& team, const float* logits, Index top) {
    std::vector<Best>& best = tops_[std::size_t(team.rank)];
    best.clear();
    each_chunk(team, [&](std::size_t, Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Best one{i, logits[i]};
            const bool full = Index(best.size()) == top;
            if (full && !one.before(best.back())) continue;
            if (full) best.pop_back();
            const auto place = std::upper_bound(
                best.begin(), best.end(), one,
                [](const Best& a, const Best& b) { return a.before(b); });
            best.insert(place, one);
        }
    });
    team.barrier();
}

Chosen Sampler::conclude(int threads, const float* logits, float peak, double total, Index token,
                         const Draw& draw) const {
    const double normaliser = std::log(total);
    auto logprob = [&](Index i) { return double(logits[i]) - peak - normaliser; };
    Chosen chosen{token, logprob(token)};
    if (!draw.top) return chosen;
    std::vector<Best> best;
    for (int rank = 0; rank < threads; ++rank)
        best.insert(best.end(), tops_[std::size_t(rank)].begin(), tops_[std::size_t(rank)].end());
    std::sort(best.begin(), best.end(), [](const Best& a, const Best& b) { return a.before(b); });
    for (std::size_t i = 0; i < best.size() && i < std::size_t(draw.top); ++i)
        chosen.top.emplace_back(best[i].token, logprob(best[i].token));
    return chosen;
}

}  // namespace naga
