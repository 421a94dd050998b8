/**
 * The way from text to the model: lines, conditional blocks, words, sections, then the whole.
 *
 * One pass reads every line of every file and reports every faulty one; `check.ts` then looks at what only
 * the whole can tell (names that lead nowhere, ports used twice, ...). Nothing here touches the network or
 * prints; files come through the function it is given.
 */
import type { Diagnostics, Place } from '../core/diagnostics.js';
import { checkConfiguration } from './check.js';
import { ConditionalBlocks, evaluateCondition } from './conditions.js';
import { newGlobal } from './draft.js';
import type { ConfigurationFile } from './files.js';
import { linesOf, pointAt, type RawLine, tokenizeLine } from './lexer.js';
import { LOG_FORMAT_VARIABLES } from './log-formats.js';
import type { ConfigModel } from './model.js';
import { SectionReader } from './sections.js';
import { ParserState } from './state.js';

export { type ConditionResult, type ConditionSubject, evaluateCondition } from './conditions.js';
export { FEATURES, SUPPORTED } from './features.js';
export { type ConfigurationFile, readConfigurationFiles } from './files.js';

/** What the command line says and the files may not override. */
export interface ConfigurationArguments {
	/** `-L` */
	readonly localpeer?: string;
	/** `-n` */
	readonly maxconn?: number;
	/** `-D`; false for `-db` and `-d`, which keep the program in the foreground. */
	readonly daemon?: boolean;
	/** `-W`, `-Ws` */
	readonly masterWorker?: boolean;
	/** `-p` */
	readonly pidfile?: string;
	/** `-dD`: show what `.diag` says. */
	readonly diagnosticMode?: boolean;
}

export interface LoadOptions {
	readonly files: readonly ConfigurationFile[];
	readonly arguments?: ConfigurationArguments;
	/** What `"$NAME"` sees. A copy is taken: `setenv` changes nothing outside. */
	readonly environment?: Readonly<Record<string, string | undefined>> | ReadonlyMap<string, string>;
	readonly hostName: string;
	/** Data threads when the file does not say. */
	readonly cores: number;
	/** Reads a file the configuration names, as a byte string; throws when it cannot. */
	readonly readFile: (path: string) => string;
}

/**
 * Reads and checks a configuration. Every remark goes to `diagnostics`; undefined is returned if any of
 * them is an alert.
 */
export function loadConfiguration(options: LoadOptions, diagnostics: Diagnostics): ConfigModel | undefined {
	const errorsBefore = diagnostics.errorCount;
	const model = readConfiguration(options, diagnostics);
	return diagnostics.errorCount > errorsBefore ? undefined : model;
}

/**
 * The same, with what could be read in spite of errors: good for nothing but to look for more of them, so that
 * one run names every mistake of a file.
 */
export function readConfiguration(options: LoadOptions, diagnostics: Diagnostics): ConfigModel | undefined {
	const state = new ParserState(diagnostics, newGlobal(), environmentOf(options), options.readFile);
	const sections = new SectionReader(state);
	for (const file of options.files) readFile(file, state, sections, options.arguments?.diagnosticMode === true);
	sections.finish();
	return checkConfiguration(state, options);
}

function environmentOf(options: LoadOptions): Map<string, string> {
	const given = options.environment ?? {};
	const entries = given instanceof Map ? [...given] : Object.entries(given as Record<string, string | undefined>);
	const environment = new Map<string, string>();
	for (const [name, value] of entries) if (value !== undefined) environment.set(name, value);
	// Variables that HAProxy defines for the files it reads (manual, 2.3).
	environment.set('HAPROXY_LOCALPEER', options.arguments?.localpeer ?? options.hostName);
	environment.set('HAPROXY_CFGFILES', options.files.map((file) => file.path).join(';'));
	for (const [name, format] of LOG_FORMAT_VARIABLES) if (!environment.has(name)) environment.set(name, format);
	if (options.arguments?.masterWorker === true) environment.set('HAPROXY_MWORKER', '1');
	return environment;
}

function readFile(file: ConfigurationFile, state: ParserState, sections: SectionReader, diagnosticMode: boolean): void {
	const { diagnostics } = state;
	const blocks = new ConditionalBlocks();
	let last: RawLine | undefined;
	for (const raw of linesOf(file.path, file.content)) {
		last = raw;
		const nul = raw.text.indexOf('\0');
		if (nul !== -1) {
			diagnostics.alert(raw.place, `Stray NUL character at position ${nul + 1}.`);
			continue;
		}
		const tokens = tokenizeLine(raw.text, state.environment, {
			file: raw.place.file,
			line: raw.place.line,
			section: sections.shownName,
		});
		if (!tokens.ok) {
			diagnostics.alert(raw.place, pointAt(tokens.reason, raw.text, tokens.column));
			continue;
		}
		const first = tokens.words[0];
		// A line whose first word is empty (a variable that is not set) is no statement.
		if (first === undefined || first === '') continue;
		if (first.startsWith('.')) directive(raw.place, tokens.words, blocks, state, diagnosticMode);
		else if (blocks.active) sections.read(raw.place, tokens.words);
	}
	if (last !== undefined && !last.terminated) {
		diagnostics.alert(
			last.place,
			`Missing LF on last line, file might have been truncated at position ${last.text.length + 1}.`,
		);
	}
	if (blocks.openLine !== undefined) {
		diagnostics.alert({ file: file.path, line: blocks.openLine }, `non-terminated '.if' block.`);
	}
	sections.endFile();
}

const CONDITIONALS = new Set(['.if', '.elif', '.else', '.endif']);
const MESSAGES = new Set(['.diag', '.notice', '.warning', '.alert']);

/** A line that begins with a dot (manual, 2.4). */
function directive(
	place: Place,
	words: readonly string[],
	blocks: ConditionalBlocks,
	state: ParserState,
	diagnosticMode: boolean,
): void {
	const { diagnostics } = state;
	const name = words[0] as string;
	if (CONDITIONALS.has(name)) {
		if ((name === '.else' || name === '.endif') && words.length > 1) {
			diagnostics.alert(place, `Unexpected argument '${words[1]}' for '${name}'.`);
		}
		const refusal = blocks.take(name, place.line, () => {
			const text = words.slice(1).join(' ');
			const result = evaluateCondition(text, { environment: state.environment });
			if (result.ok) return result.value;
			diagnostics.alert(
				place,
				`${pointAt(`${result.reason} in '${name}'`, `${name} ${text}`, result.column + name.length + 1)}`,
			);
			return undefined;
		});
		if (refusal !== undefined) diagnostics.alert(place, refusal);
		return;
	}
	if (!blocks.active) return;
	if (!MESSAGES.has(name)) {
		diagnostics.alert(place, `unknown directive '${name}'.`);
		return;
	}
	if (words.length > 2) {
		diagnostics.alert(
			place,
			`Unexpected argument '${words[2]}' for '${name}'. Use quotes if the message should contain spaces.`,
		);
		return;
	}
	const text = `'${words[1] ?? ''}'.`;
	if (name === '.alert') diagnostics.alert(place, text);
	else if (name === '.warning') diagnostics.warning(place, text);
	else if (name === '.notice') diagnostics.notice(place, text);
	else if (diagnosticMode) diagnostics.diag(place, text);
}
