"""Products with a weight matrix. `linear` trains; `linear_rows` is the row form.

x: (R, K); weight: (N, K), cast to x's dtype (float32 master weights train in bfloat16); result
(R, N). torch's products round a row alike whatever stands beside it once there are at least
ROW_MULTIPLE rows, so the row form needs R to be a multiple of ROW_MULTIPLE: `pad_rows` makes it so.
Seen to fail in float32 only below 12 columns with a depth that is no multiple of 4. The engine's
start-up self-test proves it for the machine and shapes at hand.
"""

from naga.ops.linear.reference import ROW_MULTIPLE, linear, linear_rows, pad_rows, padded_len

__all__ = ["ROW_MULTIPLE", "linear", "linear_rows", "pad_rows", "padded_len"]
