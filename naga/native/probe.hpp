// What this machine can do at most: bytes read from memory and products computed, each second.
//
// The best of several passes, since whatever else runs only ever takes away. Depends on no model.
// Takes a fraction of a second; portable kernels a few.
#pragma once

#include "kernels.hpp"

namespace naga {

// Bytes a second that `threads` threads read of a buffer of `bytes`, each its own part, in order.
// Of memory if the buffer is many times the last cache. Throws std::bad_alloc.
double read_bandwidth(Index bytes, int threads);

// FLOP a second of the instruction that products of the element, or of int8, are made of, with all
// operands in registers: no product of matrices is faster. A multiply-add counts as two.
double product_peak(const Kernels& kernels, Format format, int threads);

}  // namespace naga
