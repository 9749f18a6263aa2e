// One token from one row of logits by Gumbel-max; the law is naga/ops/sampling/reference.py.
//
// The same draw on every instruction set and for every number of rows: it depends on the logits,
// the seed, the choice and the position. Knows no model. Allocates only where a mask keeps many.
#pragma once

#include "kernels.hpp"

namespace naga {

struct Draw {
    double temperature = 1, top_p = 1;  // 0: the most likely token
    Index top_k = 0;                    // 0: all
    std::uint64_t seed = 0, choice = 0, position = 0;
};

struct Chosen {
    Index token;     // -1 if a logit is NaN or infinite
    double logprob;  // under the plain softmax
};

// `weights` (count,) is scratch.
Chosen sample(const Kernels& kernels, const float* logits, Index count, const Draw& draw,
              float* weights);

}  // namespace naga
