# SPDX-License-Identifier: MIT
# kl.awk - lines of two rows of logits, exact ones and others: the mean over lines of sum p * log(p / q).
function log_sum(from, to,    i, max, sum) {
    max = $from
    for (i = from; i <= to; i++) if ($i > max) max = $i
    for (i = from; i <= to; i++) sum += exp($i - max)
    return max + log(sum)
}
{
    n = NF / 2
    a = log_sum(1, n)
    b = log_sum(n + 1, NF)
    for (i = 1; i <= n; i++) total += exp($i - a) * ($i - a - $(n + i) + b)
}
END { printf "%.6e\n", total / NR }
