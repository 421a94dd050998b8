/** A line of a `crt-list` that comes by the runtime API (management guide, 9.3 `add ssl crt-list`). */
import { Diagnostics } from '../core/diagnostics.js';
import { type ListLine, parseListLine } from './certificates.js';
import { newGlobal } from './draft.js';
import { readCrtListOptions } from './keywords/bind.js';
import type { CertificateOptions } from './model.js';
import { ParserState } from './state.js';
import { Statement } from './statement.js';

export interface RuntimeListLine {
	readonly line: ListLine;
	readonly options: CertificateOptions | undefined;
}

/** @param readFile the texts of `ca-file` and `crl-file`; throws for one that the program does not know yet */
export function readRuntimeListLine(
	text: string,
	readFile: (path: string) => string,
): RuntimeListLine | { readonly error: string } {
	const line = parseListLine(text);
	if (line === undefined) return { error: 'there is nothing but a comment' };
	if (typeof line === 'string') return { error: line };
	const words = line.options === '' ? [] : line.options.split(/\s+/);
	if (words.length === 0) return { line, options: undefined };
	const diagnostics = new Diagnostics();
	const statement = new Statement({ file: 'CLI', line: 1 }, words, 'crt-list', diagnostics);
	const options = readCrtListOptions(words, statement, new ParserState(diagnostics, newGlobal(), new Map(), readFile));
	return options === undefined ? { error: diagnostics.list[0]?.text ?? 'it cannot be read' } : { line, options };
}
