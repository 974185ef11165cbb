/* SPDX-License-Identifier: MIT
 * explain.c - what a flag, a class, a scope, a term of the budget and a grade mean, in a sentence for a reader of the
 * report who has not read the manual.
 */
#include "profiler/report/report.h"

static const char *text_of(const char *const *texts, int32_t n, int32_t i)
{
    return i >= 0 && i < n && texts[i] ? texts[i] : "Not described.";
}

const char *eprof__explain_flag(int32_t flag)
{
    static const char *const texts[EPROF_N_FLAGS] = {
        [EPROF_FLAG_SHIFT_GAP] =
            "Samples are missing for more than 2.5 periods; the gap was bridged by a line, and the budget has a "
            "term for it.",
        [EPROF_FLAG_SHIFT_INCOMPLETE] =
            "A gap of more than 2 s, or the record does not reach the region's edges: the energy is that of the "
            "covered share alone.",
        [EPROF_FLAG_SHIFT_WRAP_AMBIGUOUS] = "The counter may have wrapped more than once between two readings.",
        [EPROF_FLAG_SHIFT_WENT_BACK] = "The counter fell without wrapping; the fall was counted as nothing.",
        [EPROF_FLAG_SHIFT_STUCK] = "The counter stood still while the CPU worked.",
        [EPROF_FLAG_SHIFT_READ_ERROR] = "Some readings of the source failed.",
        [EPROF_FLAG_SHIFT_IMPLAUSIBLE] = "Readings outside what the source can give were dropped.",
        [EPROF_FLAG_SHIFT_BASELINE_UNSTABLE] =
            "No idle time was quiet enough; the best there was is the baseline, so net energy deserves less trust.",
        [EPROF_FLAG_SHIFT_FOREIGN_LOAD] =
            "Other programs used more than 5 % of the machine, and their energy is in the sum.",
        [EPROF_FLAG_SHIFT_THROTTLED] = "The machine slowed itself down for heat or for want of voltage.",
        [EPROF_FLAG_SHIFT_SUSPENDED] = "The machine slept meanwhile.",
        [EPROF_FLAG_SHIFT_BELOW_RESOLUTION] =
            "The net energy is less than three times its uncertainty: repeat the work within one region.",
        [EPROF_FLAG_SHIFT_SHARED] =
            "The region overlapped others; net energy was split by the CPU time of their threads, idle energy by "
            "time.",
        [EPROF_FLAG_SHIFT_UNCALIBRATED] =
            "The source was never compared with a meter; its gain is known by its maker's word alone.",
        [EPROF_FLAG_SHIFT_PARTIAL_SCOPE] =
            "The source sees a part of the machine: disk, screen, fan and power supply come on top.",
        [EPROF_FLAG_SHIFT_LATE] = "The sampler could not keep its grid.",
        [EPROF_FLAG_SHIFT_HISTORY] = "Early samples were dropped: the region is longer than the history that was kept.",
    };
    return text_of(texts, EPROF_N_FLAGS, flag);
}

const char *eprof__explain_class(int32_t cls)
{
    static const char *const texts[EPROF_N_CLASSES] = {
        [EPROF_CLASS_COUNTER] = "cumulative counter: the difference of two readings, no sampling between them",
        [EPROF_CLASS_SAMPLE] = "instantaneous power, integrated by trapezoids on the true times of the readings",
        [EPROF_CLASS_WINDOW] = "mean power of the time before each reading, integrated as steps",
        [EPROF_CLASS_MODEL] = "estimated from CPU utilisation, not measured",
    };
    return text_of(texts, EPROF_N_CLASSES, cls);
}

const char *eprof__explain_scope(int32_t scope)
{
    static const char *const texts[EPROF_N_SCOPES] = {
        [EPROF_SCOPE_PROCESS] = "this process",
        [EPROF_SCOPE_CORES] = "the CPU cores, a part of the package",
        [EPROF_SCOPE_UNCORE] = "a part of the package beside the cores, such as the graphics",
        [EPROF_SCOPE_DRAM] = "the memory modules",
        [EPROF_SCOPE_PACKAGE] = "the processor package, without memory, disk or supply",
        [EPROF_SCOPE_PACKAGE_DRAM] = "the processor package and the memory modules",
        [EPROF_SCOPE_SOC] = "the rails behind the board's power controller",
        [EPROF_SCOPE_BOARD_DC] = "the whole board or laptop, at its DC input",
        [EPROF_SCOPE_WALL_AC] = "everything, at the wall",
        [EPROF_SCOPE_OTHER] = "one rail or sensor",
    };
    return text_of(texts, EPROF_N_SCOPES, scope);
}

const char *eprof__explain_term(int32_t term)
{
    static const char *const texts[EPROF_N_TERMS] = {
        [EPROF_TERM_SAMPLING] = "when between two readings the power stepped",
        [EPROF_TERM_TIMESTAMPS] = "when during a reading the value was taken",
        [EPROF_TERM_ALIGNMENT] = "the meter's clock beside ours",
        [EPROF_TERM_GAIN] = "the source's scale",
        [EPROF_TERM_OFFSET] = "the source's zero",
        [EPROF_TERM_QUANTISATION] = "the size of its smallest step",
        [EPROF_TERM_BASELINE] = "noise of the idle power",
        [EPROF_TERM_DRIFT] = "idle power before and after differ",
        [EPROF_TERM_MEAN_MEDIAN] = "idle power is skewed: its mean and median differ",
        [EPROF_TERM_GAPS] = "bridged gaps",
    };
    return text_of(texts, EPROF_N_TERMS, term);
}

const char *eprof__explain_grade(int32_t grade)
{
    switch (grade) {
    case 'A': return "calibrated, whole machine, within 3 %";
    case 'B': return "within 7 %";
    case 'C': return "within 15 %, or a part of the machine";
    case 'D': return "within 30 %, or a coarse source or unstable baseline";
    case 'E': return "an estimate";
    default: return "no grade without net energy";
    }
}
