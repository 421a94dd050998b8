/**
 * Arguments of fetches and converters: from the text between parentheses to checked, resolved values.
 *
 * The text has a quoting of its own, below that of the file (manual, 2.2 and 7.3): `"` and `'` protect commas
 * and parentheses; outside single quotes a backslash protects a quote, a space and itself, and `\n \r \t`
 * stand for their bytes. Any other backslash stays, so that regular expressions and their back references
 * need not be written twice. Parentheses do not nest.
 */

import { IpAddress } from '../core/address.js';
import { didYouMean } from '../core/diagnostics.js';
import { parseSize, parseTimeMs } from '../core/units.js';
import type { ArgumentSpec, ArgumentValue, CompileContext, ServerView, VariableName, VariableScope } from './types.js';
import { parseInteger } from './values.js';

const ESCAPES: Readonly<Record<string, string>> = {
	n: '\n',
	r: '\r',
	t: '\t',
	' ': ' ',
	'"': '"',
	"'": "'",
	'\\': '\\',
};

export type ArgumentTexts = { readonly texts: readonly string[]; readonly next: number } | { readonly error: string };

/** Cuts the arguments that begin after the `(` at `from - 1`; `next` is the index after the `)`. */
export function splitArguments(text: string, from: number): ArgumentTexts {
	const texts: string[] = [];
	let current = '';
	let quote = '';
	for (let i = from; i < text.length; i++) {
		const char = text.charAt(i);
		if (char === '\\' && quote !== "'") {
			const next = text.charAt(i + 1);
			if (next === '') return { error: `trailing '\\' after '${current}'` };
			const escaped = ESCAPES[next];
			if (escaped !== undefined) {
				current += escaped;
				i++;
				continue;
			}
		} else if (quote !== '') {
			if (char === quote) {
				quote = '';
				continue;
			}
		} else if (char === '"' || char === "'") {
			quote = char;
			continue;
		} else if (char === ',') {
			texts.push(current);
			current = '';
			continue;
		} else if (char === ')') {
			if (texts.length > 0 || current !== '' || i > from) texts.push(current);
			return { texts, next: i + 1 };
		}
		current += char;
	}
	return { error: quote === '' ? "expected ')'" : `unmatched quote ${quote}` };
}

const SCOPES: readonly VariableScope[] = ['proc', 'sess', 'txn', 'req', 'res', 'check'];

/** `txn.name`; undefined if it is not the name of a variable (manual, `var()`). */
export function parseVariableName(text: string): VariableName | undefined {
	const dot = text.indexOf('.');
	const scope = SCOPES.find((one) => one === text.slice(0, dot));
	const name = text.slice(dot + 1);
	if (dot < 0 || scope === undefined || !/^[A-Za-z0-9_.]+$/.test(name)) return undefined;
	return { scope, name };
}

/** What is wrong with the name of a variable, as the reference says it. */
export function variableNameError(text: string): string {
	const scope = text.slice(0, Math.max(text.indexOf('.'), 0));
	if (!SCOPES.some((one) => one === scope)) {
		return `invalid variable name '${text}'. A variable name must be start by its scope. The scope can be 'proc', 'sess', 'txn', 'req', 'res' or 'check'`;
	}
	return `invalid variable name '${text}'. Only alphanumeric characters, '.' and '_' are permitted after the scope`;
}

const KIND_NAMES: Readonly<Record<ArgumentSpec['kind'], string>> = {
	string: 'string',
	sint: 'integer',
	time: 'delay',
	size: 'size',
	ip4: 'IPv4 address',
	ip6: 'IPv6 address',
	mask4: 'IPv4 mask',
	mask6: 'IPv6 mask',
	table: 'table',
	frontend: 'frontend',
	backend: 'backend',
	server: 'server',
	userlist: 'user list',
	regex: 'regex',
	variable: 'variable',
	'sint-or-variable': 'integer',
	'string-or-variable': 'string',
	'map-file': 'string',
};

/** Kinds whose absence means "of the current proxy". */
const OF_CURRENT_PROXY: ReadonlySet<ArgumentSpec['kind']> = new Set(['table', 'frontend', 'backend']);

export type ResolvedArguments = { readonly values: readonly ArgumentValue[] } | { readonly error: string };

/** Checks the texts against the descriptor and resolves names; `isList` tells `f()` from `f`. */
export function resolveArguments(
	texts: readonly string[],
	specs: readonly ArgumentSpec[],
	context: CompileContext,
): ResolvedArguments {
	const last = specs[specs.length - 1];
	const most = last?.repeated === true ? Number.POSITIVE_INFINITY : specs.length;
	const given = texts.length === 1 && texts[0] === '' && specs.length === 0 ? [] : texts;
	if (given.length > most) return { error: `expected ')' before ',${given.slice(most).join(',')})'` };
	const values: ArgumentValue[] = [];
	for (let i = 0; i < Math.max(specs.length, given.length); i++) {
		const spec = specs[Math.min(i, specs.length - 1)];
		if (spec === undefined) break;
		const text = given[i];
		const optional = spec.optional === true || OF_CURRENT_PROXY.has(spec.kind) || i >= specs.length;
		if (text === undefined && !optional) {
			const mandatory = specs.filter((one) => one.optional !== true).length;
			return {
				error: `missing arguments (got ${given.length}/${mandatory}), type '${KIND_NAMES[spec.kind]}' expected`,
			};
		}
		if (text === '' && !optional && spec.kind !== 'string' && spec.kind !== 'regex') {
			return { error: `expected type '${KIND_NAMES[spec.kind]}' at position ${i + 1}, but got nothing` };
		}
		const resolved =
			text === undefined || (text === '' && optional && spec.kind !== 'string')
				? resolveAbsent(spec, context)
				: resolveOne(text, spec, context);
		if (typeof resolved === 'object' && resolved !== null && 'failure' in resolved) {
			return {
				error: resolved.failure ?? `failed to parse '${text}' as type '${KIND_NAMES[spec.kind]}' at position ${i + 1}`,
			};
		}
		values.push(resolved);
	}
	return { values };
}

type Failure = { readonly failure: string | undefined };
const MALFORMED: Failure = { failure: undefined };

function resolveAbsent(spec: ArgumentSpec, context: CompileContext): ArgumentValue | Failure {
	const proxy = context.proxy;
	switch (spec.kind) {
		case 'table': {
			if (spec.optional === true) return undefined;
			const table = context.table('');
			if (table !== undefined) return table;
			return { failure: `no stick-table is declared in proxy '${proxy?.name ?? ''}'` };
		}
		case 'frontend':
			if (proxy !== undefined && proxy.kind === 'backend')
				return { failure: `proxy '${proxy.name}' is not a frontend` };
			return undefined;
		case 'backend':
			if (proxy !== undefined && proxy.kind === 'frontend')
				return { failure: `proxy '${proxy.name}' is not a backend` };
			return undefined;
		default:
			return undefined;
	}
}

function resolveOne(text: string, spec: ArgumentSpec, context: CompileContext): ArgumentValue | Failure {
	switch (spec.kind) {
		case 'string':
		case 'regex':
			return text;
		case 'sint':
			return parseInteger(text) ?? MALFORMED;
		case 'time': {
			const parsed = parseTimeMs(text);
			return parsed.ok ? parsed.value : MALFORMED;
		}
		case 'size': {
			const parsed = parseSize(text);
			return parsed.ok ? parsed.value : MALFORMED;
		}
		case 'ip4': {
			const address = IpAddress.parse(text);
			return address?.family === 4 ? address : MALFORMED;
		}
		case 'ip6': {
			const address = IpAddress.parse(text);
			return address?.family === 6 ? address : MALFORMED;
		}
		case 'mask4':
			return parseMask(text, 4) ?? MALFORMED;
		case 'mask6':
			return parseMask(text, 6) ?? MALFORMED;
		case 'table': {
			const table = context.table(text);
			if (table !== undefined) return table;
			return { failure: `unable to find table '${text}'${didYouMean(text, context.tableNames())}` };
		}
		case 'frontend':
			return context.frontend(text) ?? { failure: `unable to find frontend '${text}'${nearProxy(text, context)}` };
		case 'backend':
			return context.backend(text) ?? { failure: `unable to find backend '${text}'${nearProxy(text, context)}` };
		case 'server':
			return resolveServer(text, context);
		case 'userlist': {
			const names = context.model.userlists?.map((list) => list.name) ?? [];
			return context.userlist(text) ?? { failure: `unable to find userlist '${text}'${didYouMean(text, names)}` };
		}
		case 'variable':
			return parseVariableName(text) ?? { failure: variableNameError(text) };
		case 'sint-or-variable':
			return parseInteger(text) ?? parseVariableName(text) ?? { failure: 'expects an integer or a variable name' };
		case 'string-or-variable':
			return parseVariableName(text) ?? text;
		case 'map-file':
			if (context.file(text) === undefined) return { failure: `failed to open pattern file <${text}>` };
			return text;
	}
}

function nearProxy(name: string, context: CompileContext): string {
	return didYouMean(
		name,
		context.model.proxies.map((proxy) => proxy.name),
	);
}

/** In place of a server whose name need not lead anywhere; never asked. */
const ANY_SERVER: ServerView = {
	name: '',
	id: 0,
	address: '',
	port: 0,
	initialWeight: 0,
	maxconn: 0,
	isUsable: () => false,
	effectiveWeight: () => 0,
	currentSessions: () => 0,
	queuedCount: () => 0,
	sessionRate: () => 0,
};

function resolveServer(text: string, context: CompileContext): ArgumentValue | Failure {
	const slash = text.indexOf('/');
	const backendName = slash < 0 ? (context.proxy?.name ?? '') : text.slice(0, slash);
	const serverName = text.slice(slash + 1);
	const backend = context.backend(backendName);
	if (backend === undefined) {
		return { failure: `unable to find proxy '${backendName}'${nearProxy(backendName, context)}` };
	}
	const server = backend.servers.find((one) => one.name === serverName);
	if (context.namesMayDangle === true) return ANY_SERVER;
	if (server !== undefined) {
		server.noteReference?.();
		return server;
	}
	const near = didYouMean(
		serverName,
		backend.servers.map((one) => one.name),
	);
	return { failure: `unable to find server '${serverName}' in proxy '${backendName}'${near}` };
}

/** A prefix length, as a number or as a mask whose ones come first. */
function parseMask(text: string, family: 4 | 6): number | undefined {
	const bits = family === 4 ? 32 : 128;
	if (/^\d{1,3}$/.test(text)) return Number(text) <= bits ? Number(text) : undefined;
	const mask = IpAddress.parse(text);
	if (mask?.family !== family) return undefined;
	const digits = Array.from(mask.toBytes(), (byte) => byte.toString(2).padStart(8, '0')).join('');
	return /^1*0*$/.test(digits) ? digits.replace(/0/g, '').length : undefined;
}
