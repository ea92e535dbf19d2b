/**
 * A histogram of durations in the manner of HdrHistogram: 64 linear steps for each power of two of microseconds,
 * so that a percentile is at most 1.6 % above the truth, at the cost of one increment a sample.
 */
export class Histogram {
  readonly #counts = new Uint32Array(64 * 40);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(milliseconds: number): void {
    const micros = Math.max(0, Math.round(milliseconds * 1000));
    const shift = micros < 64 ? 0 : 31 - Math.clz32(micros) - 6;
    const index = shift * 64 + (micros >>> shift);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total += 1;
  }

  /** In milliseconds; `NaN` without samples. `share`: 0.5 for the median. */
  percentile(share: number): number {
    if (this.#total === 0) return Number.NaN;
    let left = Math.ceil(this.#total * share);
    for (const [index, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) {
        const shift = index < 128 ? 0 : Math.floor(index / 64) - 1;
        return ((index - shift * 64 + 1) * 2 ** shift - 1) / 1000;
      }
    }
    return Number.NaN;
  }
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}

export function percentiles(histogram: Histogram): Percentiles {
  return { p50: histogram.percentile(0.5), p99: histogram.percentile(0.99), samples: histogram.total };
}
