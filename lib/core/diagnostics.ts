/**
 * What the reader of a conf file is told: each remark has a severity, the place it speaks of and one
 * sentence. The parser goes on after an error so that one run names every faulty line, not only the
 * first. Remarks are collected here as data; who prints them, and where, is decided in `process/`.
 */

/** Where a word stands: the file as it was named on the command line, lines counted from 1. */
export interface Place {
	readonly file: string;
	readonly line: number;
}

/** HAProxy's four levels; `diag` is only shown with `-dD` or `-V`. */
export type Severity = 'alert' | 'warning' | 'notice' | 'diag';

export interface Diagnostic {
	readonly severity: Severity;
	/** Undefined for remarks that concern no single line. */
	readonly place: Place | undefined;
	readonly text: string;
}

/** `[ALERT]    `, padded so that the columns of a terminal line up, as HAProxy prints them. */
const LABELS: Readonly<Record<Severity, string>> = {
	alert: '[ALERT]    ',
	warning: '[WARNING]  ',
	notice: '[NOTICE]   ',
	diag: '[DIAG]     ',
};

export class Diagnostics {
	readonly list: Diagnostic[] = [];
	readonly #saidOnce = new Set<string>();
	#errorCount = 0;
	#warningCount = 0;

	alert(place: Place | undefined, text: string): void {
		this.#errorCount++;
		this.list.push({ severity: 'alert', place, text });
	}

	warning(place: Place | undefined, text: string): void {
		this.#warningCount++;
		this.list.push({ severity: 'warning', place, text });
	}

	notice(place: Place | undefined, text: string): void {
		this.list.push({ severity: 'notice', place, text });
	}

	diag(place: Place | undefined, text: string): void {
		this.list.push({ severity: 'diag', place, text });
	}

	/** A notice that is said once per subject, however many lines would repeat it. */
	noticeOnce(subject: string, place: Place | undefined, text: string): void {
		if (this.#saidOnce.has(subject)) return;
		this.#saidOnce.add(subject);
		this.notice(place, text);
	}

	/** Counted as they come: the parser asks before and after a line. */
	get errorCount(): number {
		return this.#errorCount;
	}

	get warningCount(): number {
		return this.#warningCount;
	}
}

/** `[ALERT]    (123) : config : parsing [file:12] : text`, HAProxy's own form. */
export function formatDiagnostic(item: Diagnostic, pid: number): string {
	const where = item.place === undefined ? '' : `parsing [${item.place.file}:${item.place.line}] : `;
	return `${LABELS[item.severity]}(${pid}) : config : ${where}${item.text}`;
}

/** Largest edit distance at which a known word is still offered in place of the one that was read. */
const MAX_SUGGESTION_DISTANCE = 3;

/**
 * The known word nearest to `word`, or undefined if none is near enough to be what was meant.
 * A short word must be nearer: `if` is not a misspelt `id`.
 */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
	const limit = Math.min(MAX_SUGGESTION_DISTANCE, Math.floor(word.length / 3));
	let best: string | undefined;
	let bestDistance = limit + 1;
	for (const candidate of known) {
		if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
		const distance = editDistance(word, candidate);
		if (distance < bestDistance) {
			best = candidate;
			bestDistance = distance;
		}
	}
	return best;
}

/** ` did you mean 'x' ?`, with a leading space, or an empty string: made to be appended to a sentence. */
export function didYouMean(word: string, known: Iterable<string>): string {
	const nearest = nearestWord(word, known);
	return nearest === undefined ? '' : `; did you mean '${nearest}' ?`;
}

/** Optimal string alignment distance: insertions, deletions, substitutions and swapped neighbours. */
function editDistance(a: string, b: string): number {
	let beforePrevious: number[] = [];
	let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let i = 1; i <= a.length; i++) {
		const current = [i];
		for (let j = 1; j <= b.length; j++) {
			const cost = a[i - 1] === b[j - 1] ? 0 : 1;
			let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost);
			if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
				best = Math.min(best, (beforePrevious[j - 2] ?? 0) + 1);
			}
			current.push(best);
		}
		beforePrevious = previous;
		previous = current;
	}
	return previous[b.length] ?? 0;
}
