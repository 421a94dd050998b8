/**
 * Files that rules name: patterns of ACLs (`-f`), maps (`map(file)`), bodies of replies. They are read
 * here, once, in the control thread, so that a data thread never waits for a disk (see `ConfigModel.files`).
 *
 * Only the places where the language has a file name are looked at; whoever compiles the rule decides what
 * it means. A file that a rule names and that is not found here would be a bug of this list, and the
 * compiler reports it.
 */
import type { InheritedRulesModel, Line, ProxyModel } from './model.js';
import type { ParserState } from './state.js';

/** Flags between a criterion and its patterns (manual, 7.1), and how many words follow each. */
const ACL_FLAGS: ReadonlyMap<string, number> = new Map([
	['-i', 0],
	['-n', 0],
	['-M', 0],
	['-m', 1],
	['-u', 1],
	['-f', 1],
]);

/** Arguments of `return`, `deny`, `tarpit` and `http-error` (manual, 4.2), and how many words follow each. */
export const REPLY_ARGUMENTS: ReadonlyMap<string, number> = new Map([
	['status', 1],
	['deny_status', 1],
	['content-type', 1],
	['errorfiles', 1],
	['errorfile', 1],
	['file', 1],
	['lf-file', 1],
	['string', 1],
	['lf-string', 1],
	['hdr', 2],
	['default-errorfiles', 0],
]);

const REPLY_FILES = new Set(['errorfile', 'file', 'lf-file']);

/** `map(`, `map_beg_str(`, ... as a converter: at the start of a word or behind a comma. */
const MAP_CONVERTER = /(?:^|[,[\s(])map(?:_[a-z0-9_]+)?\(\s*([^,()]+)/g;

/** `jwt_verify(<algorithm>,<file>)`; with an algorithm of the HMAC family it is no file but a secret. */
const JWT_VERIFY = /(?:^|[,[\s(])jwt_verify\(\s*(?!["']?HS)[^,()]+,\s*([^,()]+)\)/g;

/** Reads the files behind the `-f` flags that begin at words[from]. */
function readPatternFiles(line: Line, from: number, state: ParserState): void {
	for (let i = from; i < line.words.length; ) {
		const word = line.words[i] as string;
		const count = ACL_FLAGS.get(word);
		if (count === undefined) return;
		const path = line.words[i + 1];
		if (word === '-f' && path !== undefined) state.readFile(path, line.place, `'-f'`);
		i += 1 + count;
	}
}

/** An ACL: its name, its criterion, its flags and patterns. */
function readAclFiles(line: Line, state: ParserState): void {
	readPatternFiles(line, 2, state);
	readMapFiles(line, state);
}

/** Any other line: anonymous ACLs of its condition, maps of its expressions, files of its reply. */
function readRuleFiles(line: Line, state: ParserState): void {
	const condition = line.words.findIndex((word) => word === 'if' || word === 'unless');
	if (condition !== -1) {
		for (let i = condition; i < line.words.length; i++) {
			if (line.words[i] === '{' || line.words[i] === '!{') readPatternFiles(line, i + 2, state);
		}
	}
	readMapFiles(line, state);
	if (['return', 'deny', 'tarpit'].includes(line.words[0] ?? '')) readReplyFiles(line, 1, state);
}

function readReplyFiles(line: Line, from: number, state: ParserState): void {
	for (let i = from; i < line.words.length; ) {
		const word = line.words[i] as string;
		const count = REPLY_ARGUMENTS.get(word);
		if (count === undefined) return;
		const path = line.words[i + 1];
		if (REPLY_FILES.has(word) && path !== undefined) state.readFile(path, line.place, `'${word}'`);
		i += 1 + count;
	}
}

function readMapFiles(line: Line, state: ParserState): void {
	for (const word of line.words) {
		for (const match of word.matchAll(MAP_CONVERTER)) {
			const path = (match[1] ?? '').replace(/^["']|["']$/g, '');
			if (path !== '') state.readFile(path, line.place, `'map'`);
		}
	}
	for (const word of line.words) {
		for (const match of word.matchAll(JWT_VERIFY)) {
			const path = (match[1] ?? '').replace(/^["']|["']$/g, '');
			// The compiler says what it means that one is absent.
			const content = state.tryReadFile(path, line.place);
			if (typeof content === 'string') state.files.set(path, content);
		}
	}
	const action = /^(?:set-map|del-map|add-acl|del-acl)\((.+)\)$/.exec(line.words[0] ?? '');
	// These may name a map that no rule reads, so a file that is absent is their compiler's business.
	if (action?.[1] !== undefined) {
		const content = state.tryReadFile(action[1], line.place);
		if (typeof content === 'string') state.files.set(action[1], content);
	}
}

/** Reads every file that the lines of these proxies name. */
export function readAllFiles(proxies: readonly ProxyModel[], state: ParserState): void {
	const seen = new Set<InheritedRulesModel['acls']>();
	for (const proxy of proxies) {
		const holders: readonly (ProxyModel | InheritedRulesModel)[] =
			proxy.inheritedRules === undefined ? [proxy] : [proxy, proxy.inheritedRules];
		for (const holder of holders) {
			if (seen.has(holder.acls)) continue;
			seen.add(holder.acls);
			for (const acl of holder.acls) readAclFiles(acl, state);
			const rules = [
				...holder.tcpRequestConnection,
				...holder.tcpRequestSession,
				...holder.tcpRequestContent,
				...holder.tcpResponseContent,
				...holder.httpRequest,
				...holder.httpResponse,
				...holder.httpAfterResponse,
			];
			for (const rule of rules) readRuleFiles(rule, state);
		}
		const others = [
			...proxy.useBackends,
			...proxy.useServers,
			...proxy.stickRules,
			...proxy.persistRules,
			...proxy.monitorFails,
			proxy.uniqueIdFormat,
			proxy.errorLogFormat,
			proxy.logFormatSd,
			typeof proxy.logFormat === 'string' ? undefined : proxy.logFormat,
			proxy.balance.algorithm === 'hash' ? proxy.balance.expression : undefined,
			...(proxy.stats?.admin ?? []),
			...(proxy.stats?.httpRequest ?? []),
		];
		for (const line of others) if (line !== undefined) readRuleFiles(line, state);
		for (const reply of proxy.errorReplies.values()) {
			if (reply.kind === 'reply') readReplyFiles(reply, 0, state);
		}
	}
}
