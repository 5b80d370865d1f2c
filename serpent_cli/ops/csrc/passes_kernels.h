// One instruction set's passes. Included with LANES defined, by a file that is compiled with that
// set's options; no include guard on purpose. No name, as in instruction_set.h.
#include "prelude.h"

namespace {
#include "vector_math.h"
// After it, in this order:
#include "channels.h"
// Both stand on the channels:
#include "depthwise.h"
#include "norm.h"
}  // namespace
