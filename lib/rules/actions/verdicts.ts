/**
 * Actions that decide without an answer of their own: `allow`, `accept`, `reject`, `silent-drop`, and
 * `strict-mode`, which decides what a failed rewrite means (manual, 4.2 `http-request`, `tcp-request`).
 */
import type { Action, ActionDescriptor, RuleWords } from '../action.js';
import { ALL_SITES, CONNECTION_SITES, HTTP_SITES } from '../action.js';
import type { HttpProtocol } from '../stream-control.js';
import { Verdict } from '../verdict.js';

const stop: Action = () => Verdict.STOP;
const abort: Action = () => Verdict.ABORT;
const silentDrop: Action = (stream) => {
	stream.silentDrop();
	return Verdict.ABORT;
};

const closeServer: Action = (stream) => {
	stream.closeServer();
	return Verdict.STOP;
};

function compileStrictMode(words: RuleWords): Action | undefined {
	const word = words.next();
	if (word === undefined) return words.fail('expects exactly 1 arguments');
	if (word !== 'on' && word !== 'off')
		return words.fail(`Unexpected value '${word}'. Only 'on' and 'off' are supported`);
	const strict = word === 'on';
	return (stream) => {
		stream.strictRewrites = strict;
		return Verdict.CONTINUE;
	};
}

/** `expect-proxy layer4`: the PROXY protocol header is read before anything else of the connection. */
function compileExpectProxy(words: RuleWords): Action | undefined {
	if (!words.take('layer4')) return words.fail("missing 'layer4'");
	return (stream) => {
		stream.session.expectsProxy = true;
		return Verdict.CONTINUE;
	};
}

const HTTP_PROTOCOLS: readonly string[] = ['h1', 'h2'] satisfies HttpProtocol[];

/** `switch-mode http [ proto h1|h2 ]`: what is HTTP already stays what it is. */
function compileSwitchMode(words: RuleWords): Action | undefined {
	const { proxy, diagnostics, place } = words.context;
	if (proxy?.kind === 'backend')
		return words.fail(`not allowed because backend '${proxy.name}' has no frontend capability`);
	const mode = words.next();
	if (mode === undefined) return words.fail('expects a mode as argument');
	if (mode !== 'http') return words.fail(`expects a valid mode (got '${mode}')`);
	let protocol: HttpProtocol | undefined;
	if (words.take('proto')) {
		const name = words.next();
		if (name === undefined) return words.fail(`'proto' expects a protocol as argument`);
		if (!HTTP_PROTOCOLS.includes(name)) {
			return words.fail(`'proto' expects a valid MUX protocol, if specified (got '${name}')`);
		}
		protocol = name as HttpProtocol;
	}
	if (
		proxy?.kind === 'listen' &&
		proxy.mode === 'tcp' &&
		proxy.defaultBackend === undefined &&
		proxy.useBackends.length === 0
	) {
		diagnostics.warning(
			place,
			`Proxy '${proxy.name}' : 'switch-mode http' configured for a tcp proxy with no backend. Incoming connections upgraded to HTTP cannot be routed to TCP servers`,
		);
	}
	return (stream) => {
		stream.switchToHttp(protocol);
		return Verdict.STOP;
	};
}

/** `expect-netscaler-cip layer4`: as `expect-proxy`, in a NetScaler's own words. */
function compileExpectCip(words: RuleWords): Action | undefined {
	if (!words.take('layer4')) return words.fail(`only supports 'layer4' (got '${words.peek() ?? ''}')`);
	return (stream) => {
		stream.session.expectsCip = true;
		return Verdict.CONTINUE;
	};
}

export const VERDICT_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'allow', sites: HTTP_SITES, compile: () => stop },
	{
		name: 'accept',
		sites: [...CONNECTION_SITES, 'tcp-request content', 'tcp-response content'],
		compile: () => stop,
	},
	{
		name: 'reject',
		sites: [...CONNECTION_SITES, 'tcp-request content', 'tcp-response content', 'http-request'],
		compile: () => abort,
	},
	{ name: 'close', sites: ['tcp-response content'], compile: () => closeServer },
	{ name: 'silent-drop', sites: ALL_SITES.filter((site) => site !== 'http-after-response'), compile: () => silentDrop },
	{ name: 'expect-proxy', sites: ['tcp-request connection'], compile: compileExpectProxy },
	{ name: 'switch-mode', sites: ['tcp-request content'], compile: compileSwitchMode },
	{ name: 'expect-netscaler-cip', sites: ['tcp-request connection'], compile: compileExpectCip },
	{ name: 'strict-mode', sites: HTTP_SITES, compile: compileStrictMode },
];
