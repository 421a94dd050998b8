/**
 * Options of `server` and `default-server` lines that say how a connection to the server begins (manual, 5.2): the
 * PROXY protocol, a SOCKS4 proxy on the way, the address it comes from. Rows of the table in server.ts.
 */
import { parseAddress } from '../address.js';
import type { ServerOptions } from '../draft.js';
import { PROXY_FIELDS, type ProxyField } from '../server-model.js';
import type { Statement } from '../statement.js';
import type { ServerOption } from './server.js';

/** `send-proxy` and `send-proxy-v2` are apart: taking one back leaves the other. The binary one is sent where both are. */
function send(options: ServerOptions, version: 'sendsLine' | 'sendsBinary', isSent: boolean): void {
	options[version] = isSent;
	options.sendProxy = options.sendsBinary ? 'v2' : options.sendsLine ? 'v1' : 'none';
}

function setFields(options: ServerOptions, fields: readonly ProxyField[], areSent: boolean): void {
	const others = options.proxyFields.filter((field) => !fields.includes(field));
	options.proxyFields = areSent ? [...others, ...fields] : others;
}

const flag = (name: string, parse: (options: ServerOptions) => void): ServerOption => ({
	name,
	arguments: 0,
	parse: (_statement, _index, options) => parse(options),
});

/** The names that imply binary headers with fields about TLS. */
const WITH_TLS_FIELDS: readonly (readonly [name: string, fields: readonly ProxyField[]])[] = [
	['send-proxy-v2-ssl', ['ssl']],
	['send-proxy-v2-ssl-cn', ['ssl', 'cert-cn']],
];

function readProxyFields(statement: Statement, index: number, options: ServerOptions): void {
	for (const name of statement.word(index).split(',')) {
		const field = PROXY_FIELDS.find((known) => known === name);
		if (field !== undefined) setFields(options, [field], true);
		else {
			statement.alert(
				`'proxy-v2-options' : option '${name}' is not one of ${PROXY_FIELDS.map((known) => `'${known}'`).join(', ')}`,
			);
		}
	}
}

/** `set-proxy-v2-tlv-fmt(<type>) <format>` of HAProxy 2.9; the type as `0x20` or `32`. */
function readProxyFormat(statement: Statement, index: number, options: ServerOptions): void {
	const [, text = ''] = /\((.*)\)$/.exec(statement.word(index - 1)) ?? [];
	const type = /^(?:0x[0-9a-f]{1,2}|\d{1,3})$/i.test(text) ? Number(text) : Number.NaN;
	if (!(type <= 255)) {
		statement.alert(
			`'set-proxy-v2-tlv-fmt' expects the type of a field between brackets, from 0 to 255, got '${text}'`,
		);
		return;
	}
	const line = { place: statement.place, words: [statement.word(index)] };
	options.proxyFormats = [...options.proxyFormats.filter((format) => format.type !== type), { type, line }];
}

/** `<address>:<port>` of a SOCKS4 proxy. */
function readSocks(statement: Statement, index: number, options: ServerOptions): void {
	const parsed = parseAddress(statement.word(index), { port: 'required', names: true });
	if (!parsed.ok) statement.alert(`'socks4' : ${parsed.reason}`);
	else if (parsed.address.kind === 'fd' || parsed.address.kind === 'unix') {
		statement.alert(`'socks4' : expects <addr>:<port>, got '${statement.word(index)}'`);
	} else options.socks4 = parsed.address;
}

export const SERVER_TRANSPORT_OPTIONS: readonly ServerOption[] = [
	flag('send-proxy', (options) => send(options, 'sendsLine', true)),
	flag('no-send-proxy', (options) => send(options, 'sendsLine', false)),
	flag('send-proxy-v2', (options) => send(options, 'sendsBinary', true)),
	flag('no-send-proxy-v2', (options) => send(options, 'sendsBinary', false)),
	...WITH_TLS_FIELDS.flatMap(([name, fields]) => [
		flag(name, (options) => {
			send(options, 'sendsBinary', true);
			setFields(options, fields, true);
		}),
		flag(`no-${name}`, (options) => {
			send(options, 'sendsBinary', false);
			setFields(options, fields, false);
		}),
	]),
	{ name: 'proxy-v2-options', arguments: 1, parse: readProxyFields },
	{ name: 'set-proxy-v2-tlv-fmt', arguments: 1, takesBrackets: true, parse: readProxyFormat },
	{ name: 'socks4', arguments: 1, parse: readSocks },
	flag('check-via-socks4', (options) => {
		options.health = { ...options.health, checkViaSocks4: true };
	}),
];
