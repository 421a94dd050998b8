/**
 * Times and sizes as the configuration writes them (manual, 2.5 and `size` in stick-table): one table of
 * units each, used both for reading and for printing.
 */

/** Units of time in microseconds, longest name first so that `ms` is not read as `m`. */
const TIME_UNITS_US: readonly (readonly [suffix: string, microseconds: number])[] = [
	['us', 1],
	['ms', 1000],
	['s', 1_000_000],
	['m', 60_000_000],
	['h', 3_600_000_000],
	['d', 86_400_000_000],
];

const SIZE_UNITS: readonly (readonly [suffix: string, bytes: number])[] = [
	['k', 1024],
	['m', 1024 ** 2],
	['g', 1024 ** 3],
];

/** Timers are signed 32-bit milliseconds in the reference: just under 24.9 days. */
export const MAX_TIME_MS = 2 ** 31 - 1;

export type Parsed = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly reason: string };

const failed = (reason: string): Parsed => ({ ok: false, reason });

/**
 * Reads a time of the configuration, in milliseconds, rounded up so that a non-zero time never becomes 0.
 * A number without unit has `defaultUnit`.
 */
export function parseTimeMs(text: string, defaultUnit: 'us' | 'ms' | 's' = 'ms'): Parsed {
	const match = /^(\d+)([a-z]*)$/.exec(text);
	if (match === null) {
		const bad = /[^0-9a-z]/.exec(text);
		return failed(
			bad === null
				? `'${text}' is not a time (a number, then us, ms, s, m, h or d)`
				: `unexpected character '${bad[0]}'`,
		);
	}
	const unitName = match[2] === '' ? defaultUnit : match[2];
	const unit = TIME_UNITS_US.find(([suffix]) => suffix === unitName);
	if (unit === undefined) return failed(`'${match[2]}' is not a unit of time (us, ms, s, m, h, d)`);
	const milliseconds = Math.ceil((Number(match[1]) * unit[1]) / 1000);
	if (milliseconds > MAX_TIME_MS) return failed(`timer overflow, the limit is ${MAX_TIME_MS} ms (about 24.8 days)`);
	return { ok: true, value: milliseconds };
}

/** Reads a size: a number with an optional `k`, `m` or `g`, powers of 1024, any case. */
export function parseSize(text: string, max: number = Number.MAX_SAFE_INTEGER): Parsed {
	const match = /^(\d+)([kmg]?)$/i.exec(text);
	if (match === null) return failed(`'${text}' is not a size (a number, then k, m or g)`);
	const unit = SIZE_UNITS.find(([suffix]) => suffix === match[2]?.toLowerCase());
	const value = Number(match[1]) * (unit === undefined ? 1 : unit[1]);
	if (value > max) return failed(`'${text}' is over the limit of ${max}`);
	return { ok: true, value };
}

/** `1500` -> `1500ms`, `60000` -> `1m`: the largest unit that divides the time. */
export function formatTimeMs(milliseconds: number): string {
	for (let i = TIME_UNITS_US.length - 1; i > 0; i--) {
		const unit = TIME_UNITS_US[i];
		if (unit === undefined) continue;
		const unitMs = unit[1] / 1000;
		if (milliseconds >= unitMs && milliseconds % unitMs === 0) return `${milliseconds / unitMs}${unit[0]}`;
	}
	return `${milliseconds}ms`;
}

/** `102400` -> `100k`: the largest unit that divides the size. */
export function formatSize(size: number): string {
	for (let i = SIZE_UNITS.length - 1; i >= 0; i--) {
		const unit = SIZE_UNITS[i];
		if (unit !== undefined && size >= unit[1] && size % unit[1] === 0) return `${size / unit[1]}${unit[0]}`;
	}
	return String(size);
}
