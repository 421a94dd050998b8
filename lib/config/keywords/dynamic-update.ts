/**
 * The `dynamic-update` section, as HAProxy Enterprise's update module has it: files of maps and ACLs that are fetched
 * anew from a URL while the program runs.
 *
 *     update id <file> url <url> [delay <t>] [xdelay <delay> <start> <next> <retry>] [timeout <t>] [retries <n>]
 *            [modified|xmodified] [map] [log] [dontlog-normal]
 */
import { didYouMean } from '../../core/diagnostics.js';
import type { UpdateModel } from '../model.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, type Statement } from '../statement.js';

type Draft = { -readonly [K in keyof UpdateModel]: UpdateModel[K] };

const MAX_RETRIES = 1000;

interface UpdateOption {
	/** Words that follow it. */
	readonly arguments: number;
	parse(statement: Statement, at: number, draft: Draft): void;
}

function readUrl(statement: Statement, at: number, draft: Draft): void {
	const text = statement.word(at);
	let url: URL | undefined;
	try {
		url = new URL(text);
	} catch {
		// Said below.
	}
	if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
		statement.alert(`'url' expects an 'http://' or 'https://' address, got '${text}'`);
	} else draft.url = text;
}

/** At least a millisecond, as the module has it. */
function time(statement: Statement, at: number, name: string): number | undefined {
	const timeMs = statement.timeMs(at, name);
	if (timeMs !== 0) return timeMs;
	statement.alert(`'${name}' must be at least 1 ms.`);
	return undefined;
}

const OPTIONS: ReadonlyMap<string, UpdateOption> = new Map<string, UpdateOption>([
	[
		'id',
		{
			arguments: 1,
			parse: (s, at, draft) => {
				draft.id = s.word(at);
			},
		},
	],
	['url', { arguments: 1, parse: readUrl }],
	[
		'delay',
		{
			arguments: 1,
			parse: (s, at, draft) => {
				draft.delayMs = time(s, at, 'delay') ?? draft.delayMs;
				draft.startMs = draft.delayMs;
			},
		},
	],
	[
		'xdelay',
		{
			arguments: 4,
			// The third is of no importance, says its manual; it is read all the same.
			parse: (s, at, draft) => {
				draft.delayMs = time(s, at, 'xdelay') ?? draft.delayMs;
				draft.startMs = time(s, at + 1, 'xdelay') ?? draft.startMs;
				time(s, at + 2, 'xdelay');
				draft.retryMs = time(s, at + 3, 'xdelay') ?? draft.retryMs;
			},
		},
	],
	[
		'timeout',
		{
			arguments: 1,
			parse: (s, at, draft) => {
				draft.timeoutMs = time(s, at, 'timeout') ?? draft.timeoutMs;
			},
		},
	],
	[
		'retries',
		{
			arguments: 1,
			parse: (s, at, draft) => {
				draft.retries = s.integer(at, 'retries', 0, MAX_RETRIES) ?? draft.retries;
			},
		},
	],
	[
		'modified',
		{
			arguments: 0,
			parse: (_s, _at, draft) => {
				draft.ifModified = true;
			},
		},
	],
	[
		'xmodified',
		{
			arguments: 0,
			parse: (_s, _at, draft) => {
				draft.ifModified = true;
			},
		},
	],
	[
		'map',
		{
			arguments: 0,
			parse: (_s, _at, draft) => {
				draft.kind = 'map';
			},
		},
	],
	[
		'log',
		{
			arguments: 0,
			parse: (_s, _at, draft) => {
				draft.logs = true;
			},
		},
	],
	[
		'dontlog-normal',
		{
			arguments: 0,
			parse: (_s, _at, draft) => {
				draft.logsNormal = false;
			},
		},
	],
]);

const REFUSED = ['checksum', 'hash', 'source', 'tls-ticket-keys'];

function readUpdate(statement: Statement, state: ParserState): void {
	const draft: Draft = {
		place: statement.place,
		id: '',
		url: '',
		kind: 'acl',
		delayMs: 300_000,
		startMs: 300_000,
		retryMs: 5000,
		timeoutMs: 5000,
		retries: 3,
		ifModified: false,
		logs: false,
		logsNormal: true,
	};
	const errorsBefore = statement.diagnostics.errorCount;
	for (let at = 1; at < statement.words.length; ) {
		const word = statement.word(at);
		const option = OPTIONS.get(word);
		if (option === undefined) {
			statement.alert(
				REFUSED.includes(word)
					? `'update' : '${word}' is not supported by holdfast`
					: `'update' : unknown keyword '${word}'${didYouMean(word, OPTIONS.keys())}`,
			);
			return;
		}
		if (option.arguments > 0 && statement.word(at + option.arguments) === '') {
			statement.alert(
				`'update' : '${word}' expects ${option.arguments === 1 ? 'an argument' : `${option.arguments} arguments`}`,
			);
			return;
		}
		option.parse(statement, at + 1, draft);
		at += 1 + option.arguments;
	}
	if (statement.diagnostics.errorCount > errorsBefore) return;
	if (draft.id === '' || draft.url === '') {
		statement.alert(`'update' expects 'id <file>' and 'url <url>'.`);
		return;
	}
	const twin = state.updates.find(({ id, kind }) => id === draft.id && kind === draft.kind);
	if (twin === undefined) state.updates.push(draft);
	else {
		statement.alert(
			`'update' : ${draft.kind} '${draft.id}' is updated already at ${twin.place.file}:${twin.place.line}.`,
		);
	}
}

const BUILT: readonly Keyword<ParserState>[] = [{ name: 'update', parse: readUpdate }];

export const DYNAMIC_UPDATE_KEYWORDS = new KeywordTable<ParserState>(BUILT);
