/**
 * Which rule may use which fetch (manual, 7.3: "none of which is available here"): for each rule site, what
 * a fetch can find there. One table; the order of a stream's life is its reading order.
 *
 * A frontend's rules run before a backend is chosen, a backend's after; a `listen` is both.
 */
import type { CompileContext, FetchNeed, RuleSite } from './types.js';

/** How the reference names what a fetch extracts, for messages. */
export const NEED_NAMES: Readonly<Record<FetchNeed, string>> = {
	internal: 'internal state',
	session: 'client-side connection',
	handshake: 'TLS handshake',
	stream: 'stream',
	'request-bytes': 'request buffer',
	'request-head': 'HTTP request headers',
	'request-body': 'HTTP request body',
	'message-head': 'HTTP headers',
	'message-bytes': 'buffer contents',
	backend: 'backend',
	server: 'server',
	response: 'HTTP response',
	'response-bytes': 'response buffer',
	'response-head': 'HTTP response headers',
	'response-body': 'HTTP response body',
	log: 'logs',
};

const CONNECTION: readonly FetchNeed[] = ['internal', 'session'];
const SESSION: readonly FetchNeed[] = [...CONNECTION, 'handshake'];
const REQUEST: readonly FetchNeed[] = [
	...SESSION,
	'stream',
	'request-bytes',
	'request-head',
	'request-body',
	'message-head',
	'message-bytes',
];
const RESPONSE: readonly FetchNeed[] = [
	...SESSION,
	'stream',
	'backend',
	'server',
	'response',
	'response-bytes',
	'response-head',
	'response-body',
	'message-head',
	'message-bytes',
];

const PROVIDED: Readonly<Record<RuleSite, ReadonlySet<FetchNeed>>> = {
	'tcp-request connection': new Set(CONNECTION),
	'tcp-request session': new Set(SESSION),
	'tcp-request content': new Set(REQUEST),
	'tcp-response content': new Set(RESPONSE),
	'http-request': new Set(REQUEST),
	'http-response': new Set(RESPONSE),
	'http-after-response': new Set(RESPONSE),
	use_backend: new Set(REQUEST),
	'use-server': new Set([...REQUEST, 'backend']),
	'stick request': new Set([...REQUEST, 'backend']),
	'stick response': new Set(RESPONSE),
	balance: new Set([...REQUEST, 'backend']),
	'monitor fail': new Set(REQUEST),
	'unique-id-format': new Set(REQUEST),
	'log-format': new Set([...SESSION, 'stream', 'backend', 'server', 'response', 'log']),
	check: new Set([...SESSION, 'backend', 'server', 'response', 'response-bytes', 'response-head', 'response-body']),
	'server sni': new Set([...REQUEST, 'backend', 'server']),
	global: new Set(['internal']),
};

/** Of the fetches from internal state, those that need no proxy: the only ones that a global section may use. */
export const GLOBAL_FETCHES: ReadonlySet<string> = new Set([
	'always_false',
	'always_true',
	'bin',
	'bool',
	'date',
	'date_us',
	'env',
	'hostname',
	'int',
	'ipv4',
	'ipv6',
	'meth',
	'nbproc',
	'nbthread',
	'pid',
	'proc',
	'rand',
	'str',
	'thread',
	'unique-id',
	'uuid',
	'var',
]);

/** Sites whose rules exist in frontends and in backends. */
const SITES_OF_BOTH: ReadonlySet<RuleSite> = new Set(['tcp-request content', 'http-request']);

/** Rules of these sites look at the response; `hdr`, `cookie` and `payload` follow. */
const RESPONSE_SITES: ReadonlySet<RuleSite> = new Set([
	'tcp-response content',
	'http-response',
	'http-after-response',
	'stick response',
	'check',
]);

export function isResponseSite(site: RuleSite): boolean {
	return RESPONSE_SITES.has(site);
}

export function siteProvides(context: CompileContext, need: FetchNeed): boolean {
	if (PROVIDED[context.site].has(need)) return true;
	return need === 'backend' && SITES_OF_BOTH.has(context.site) && context.proxy?.kind !== 'frontend';
}

/** `frontend http-request rule`, for warnings. */
export function siteName(context: CompileContext): string {
	const kind = context.proxy?.kind;
	return `${kind === undefined ? '' : `${kind} `}${context.site} rule`;
}

/** Refuses the line that is being compiled; always undefined, so that a caller can return it. */
export function refuse(context: CompileContext, text: string): undefined {
	const proxy = context.proxy;
	const where = proxy === undefined ? '' : ` in ${proxy.kind} '${proxy.name}'`;
	context.diagnostics.alert(context.place, `error detected${where} while parsing '${context.site}' rule : ${text}`);
	return undefined;
}
