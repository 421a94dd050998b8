/** What a proxy writes down about requests (manual, 4.2 and 8.2): logs and their formats, captures, unique ids. */
import type { ProxyDraft } from '../draft.js';
import type { CaptureModel, Line } from '../model.js';
import type { Keyword, Statement } from '../statement.js';
import { readLog } from './log.js';
import { readLogSteps } from './log-profile.js';
import { FRONT, MAX_INT, ONLY_FRONT, type ProxySite, textRow } from './proxy-site.js';

/** Log formats are one word; two of them is nearly always a format that lacks its quotes. */
function readFormat(statement: Statement): Line | undefined {
	const keyword = statement.word(0);
	if (statement.word(1) === '') {
		statement.alert(`'${keyword}' expects an argument.`);
		return undefined;
	}
	if (statement.words.length > 2) {
		statement.alert(`'${keyword}' expects only one argument, don't forget to escape spaces!`);
		return undefined;
	}
	return statement.rest(1);
}

/** A backend writes no lines of its own. */
function warnInBackend(statement: Statement, proxy: ProxyDraft): void {
	if (proxy.kind !== 'backend') return;
	statement.warning(`backend '${proxy.name}' : '${statement.word(0)}' directive is ignored in backends.`);
}

/** `capture request header <name> len <length>` */
function readCapture(statement: Statement): CaptureModel | undefined {
	const keyword = statement.words.slice(0, 3).join(' ');
	if (statement.word(3) === '' || statement.word(4) !== 'len') {
		statement.alert(`'${keyword}' expects 'header' <header_name> 'len' <len>.`);
		return undefined;
	}
	const length = statement.integer(5, keyword, 1, MAX_INT);
	return statement.atMost(3, 3) && length !== undefined ? { name: statement.word(3), length } : undefined;
}

export const LOGGING_KEYWORDS: readonly Keyword<ProxySite>[] = [
	{
		name: 'capture request header',
		sections: ONLY_FRONT,
		parse(statement, { proxy }) {
			const capture = readCapture(statement);
			if (capture !== undefined) proxy.requestCaptures.push(capture);
		},
	},
	{
		name: 'capture response header',
		sections: ONLY_FRONT,
		parse(statement, { proxy }) {
			const capture = readCapture(statement);
			if (capture !== undefined) proxy.responseCaptures.push(capture);
		},
	},
	{
		name: 'capture cookie',
		sections: ONLY_FRONT,
		parse(statement, { proxy, state }) {
			const name = statement.word(2);
			if (name === '' || statement.word(3) !== 'len') {
				statement.alert(`'capture cookie' expects <cookie_name> 'len' <len>.`);
				return;
			}
			const length = statement.integer(4, 'capture cookie', 1, MAX_INT);
			if (length === undefined || !statement.atMost(3, 2)) return;
			// `=` at the end of the name means the exact name, else it is a prefix.
			const exact = name.endsWith('=');
			proxy.cookieCapture = {
				name: exact ? name.slice(0, -1) : name,
				prefix: !exact,
				length: Math.min(length, state.global.tune.httpCookielen),
			};
		},
	},
	{
		name: 'declare capture',
		strictSections: true,
		sections: ONLY_FRONT,
		parse(statement, { proxy }) {
			const side = statement.choice(2, 'declare capture', ['request', 'response']);
			if (side === undefined) return;
			if (statement.word(3) !== 'len') {
				statement.alert(`'declare capture ${side}' expects 'len' <len>.`);
				return;
			}
			const length = statement.integer(4, `declare capture ${side} len`, 1, MAX_INT);
			if (length === undefined || !statement.atMost(3, 2)) return;
			// A slot that only rules fill: no header has an empty name.
			(side === 'request' ? proxy.requestCaptures : proxy.responseCaptures).push({ name: '', length });
		},
	},
	{
		name: 'unique-id-format',
		sections: FRONT,
		parse: (statement, { proxy }) => {
			proxy.uniqueIdFormat = readFormat(statement) ?? proxy.uniqueIdFormat;
		},
	},
	textRow('unique-id-header', 'uniqueIdHeader', 'a header name', FRONT),
	{
		name: 'log-format',
		parse(statement, { proxy }) {
			const format = readFormat(statement);
			if (format === undefined) return;
			if (typeof proxy.logFormat === 'string' && proxy.kind === 'defaults') {
				statement.warning(
					`'log-format' overrides previous 'option ${proxy.logFormat}' in '${statement.section}' section.`,
				);
			}
			proxy.logFormat = format;
			warnInBackend(statement, proxy);
		},
	},
	{
		name: 'error-log-format',
		parse: (statement, { proxy }) => {
			proxy.errorLogFormat = readFormat(statement) ?? proxy.errorLogFormat;
			warnInBackend(statement, proxy);
		},
	},
	{
		name: 'log-format-sd',
		parse: (statement, { proxy }) => {
			proxy.logFormatSd = readFormat(statement) ?? proxy.logFormatSd;
			warnInBackend(statement, proxy);
		},
	},
	{
		name: 'log-steps',
		sections: FRONT,
		parse: (statement, { proxy }) => {
			proxy.logSteps = readLogSteps(statement) ?? proxy.logSteps;
		},
	},
	textRow('log-tag', 'logTag', 'a tag for use in syslog'),
	{ name: 'log', invertible: true, parse: (statement, { proxy }) => readLog(statement, proxy.logs, true) },
];
