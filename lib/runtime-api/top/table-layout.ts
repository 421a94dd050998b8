/**
 * Rows of cells as lines of a terminal: columns take the width of what stands in them, the one that can be shortened
 * gives way first, then columns leave by their rank until the rest fits.
 *
 * Everything printed passes `printable`: names and keys come from configurations and from clients, and a
 * terminal obeys control bytes.
 */

export type Tone = 'plain' | 'dim' | 'bold' | 'good' | 'warning' | 'bad' | 'accent' | 'title';

/** Gives a text its colour; the identity where there are none. */
export type Paint = (text: string, tone: Tone) => string;

export const PLAIN: Paint = (text) => text;

const SGR: Readonly<Record<Tone, string>> = {
	plain: '',
	dim: '2',
	bold: '1',
	good: '32',
	warning: '33',
	bad: '1;31',
	accent: '36',
	title: '7',
};

export const COLOURED: Paint = (text, tone) => (SGR[tone] === '' ? text : `\x1b[${SGR[tone]}m${text}\x1b[0m`);

export interface Column {
	readonly title: string;
	readonly align?: 'right';
	/** May be shortened to this many characters. */
	readonly shrinksTo?: number;
	/** The column with the highest leaves first when there is no room; 0: never. */
	readonly rank: number;
}

export interface Cell {
	readonly text: string;
	readonly tone?: Tone;
}

const GAP = 2;

/** Bytes beyond printable ASCII as `\xNN`: one column for each character, and nothing a terminal would obey. */
export function printable(text: string): string {
	return text.replace(/[^\x20-\x7e]/g, (char) => {
		const code = char.charCodeAt(0);
		return code > 0xff ? '?' : `\\x${code.toString(16).padStart(2, '0')}`;
	});
}

/** Shortened in its middle: names and addresses differ at their ends. */
export function shorten(text: string, width: number): string {
	if (text.length <= width) return text;
	if (width <= 3) return text.slice(0, width);
	const head = Math.ceil((width - 1) / 2);
	return `${text.slice(0, head)}~${text.slice(text.length - (width - 1 - head))}`;
}

/** A line of titles and one for each row, none longer than `width`. */
export function layOut(
	columns: readonly Column[],
	rows: readonly (readonly Cell[])[],
	width: number,
	paint: Paint,
): string[] {
	const wanted = columns.map(({ title }, at) =>
		rows.reduce((most, row) => Math.max(most, row[at]?.text.length ?? 0), title.length),
	);
	const shown = columns.map((_, at) => at);
	const least = (at: number): number => Math.min(wanted[at]!, columns[at]!.shrinksTo ?? wanted[at]!);
	const total = (of: (at: number) => number): number =>
		shown.reduce((sum, at) => sum + of(at), (shown.length - 1) * GAP);
	while (total(least) > width && shown.some((at) => columns[at]!.rank > 0)) {
		const leaving = shown.reduce((a, b) => (columns[b]!.rank >= columns[a]!.rank ? b : a));
		shown.splice(shown.indexOf(leaving), 1);
	}
	const widths = new Map(shown.map((at) => [at, wanted[at]!]));
	// Each of those that can is shortened by what is still too much.
	for (const at of shown) {
		const over = total((one) => widths.get(one)!) - width;
		if (over > 0) widths.set(at, Math.max(least(at), wanted[at]! - over));
	}
	const line = (cellOf: (at: number) => Cell, whole?: Tone): string => {
		let room = width;
		const parts: string[] = [];
		for (const at of shown) {
			if (room <= 0) break;
			const size = Math.min(widths.get(at)!, room);
			const { text, tone } = cellOf(at);
			const fitted = shorten(text, size);
			const padded = columns[at]!.align === 'right' ? fitted.padStart(size) : fitted.padEnd(size);
			parts.push(whole === undefined ? paint(padded, tone ?? 'plain') : padded);
			room -= size + GAP;
		}
		const joined = parts.join(' '.repeat(GAP));
		return whole === undefined ? joined.trimEnd() : paint(joined.trimEnd(), whole);
	};
	return [
		line((at) => ({ text: columns[at]!.title }), 'dim'),
		...rows.map((row) => line((at) => row[at] ?? { text: '' })),
	];
}

// ---- figures

const GROUPS = /\B(?=(\d{3})+(?!\d))/g;

export function grouped(value: number): string {
	return Number.isFinite(value) ? Math.round(value).toString().replace(GROUPS, ',') : '-';
}

/** A rate: a decimal below ten, where it matters. */
export function rate(value: number | undefined): string {
	if (value === undefined) return '-';
	return value > 0 && value < 9.95 ? value.toFixed(1) : grouped(value);
}

const PREFIXES = ['', 'k', 'M', 'G', 'T'];

export function bytes(value: number): string {
	let scaled = value;
	let step = 0;
	while (scaled >= 999.5 && step < PREFIXES.length - 1) {
		scaled /= 1000;
		step++;
	}
	return `${step === 0 || scaled >= 99.5 ? Math.round(scaled) : scaled.toFixed(1)} ${PREFIXES[step]}B`;
}

/** `340ms`, `5.2s`, `3m20s`, `2h05m`, `3d04h`. */
export function duration(ms: number): string {
	if (ms < 1000) return `${Math.round(ms)}ms`;
	if (ms < 9950) return `${(ms / 1000).toFixed(1)}s`;
	const seconds = Math.round(ms / 1000);
	if (seconds < 60) return `${seconds}s`;
	const two = (n: number): string => String(n).padStart(2, '0');
	if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
	return `${Math.floor(seconds / 86400)}d${two(Math.floor(seconds / 3600) % 24)}h`;
}

const BAR = 10;

/** Ten characters of ASCII and the share behind them. */
export function bar(share: number): string {
	const bounded = Math.min(1, Math.max(0, share));
	const full = bounded > 0 ? Math.max(1, Math.round(bounded * BAR)) : 0;
	// 100% is said of what is full, not of what nearly is.
	const percent = bounded < 1 ? Math.min(99, Math.round(bounded * 100)) : 100;
	return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${String(percent).padStart(3)}%`;
}
