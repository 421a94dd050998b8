/** What was remarked on a configuration, as the operator reads it: in the order of its lines, in HAProxy's form. */
import { type Diagnostic, formatDiagnostic } from '../core/diagnostics.js';
import { VERSION_LINE } from '../core/version.js';
import type { ProgramOptions } from './options.js';

/** Prints remarks as HAProxy does: all of them, alerts even when quiet, `diag` only when asked for. */
export function printDiagnostics(
	list: readonly Diagnostic[],
	options: ProgramOptions,
	print: (text: string) => void,
): void {
	if (list.some(({ severity }) => severity === 'alert')) print(`[NOTICE]   (${process.pid}) : ${VERSION_LINE}`);
	for (const item of inOrderOfLines(list)) {
		if (options.quiet && item.severity !== 'alert') continue;
		if (item.severity === 'diag' && !options.diagnostics) continue;
		print(formatDiagnostic(item, process.pid));
	}
}

/** Parser, check and rules complain one after the other; a reader goes through the file once. */
export function inOrderOfLines(list: readonly Diagnostic[]): Diagnostic[] {
	const lineOf = (item: Diagnostic): number => item.place?.line ?? Number.MAX_SAFE_INTEGER;
	const files = [...new Set(list.map(({ place }) => place?.file))];
	return files.flatMap((file) =>
		list.filter(({ place }) => place?.file === file).sort((a, b) => lineOf(a) - lineOf(b)),
	);
}
