/**
 * The addresses that later rules, logs and `balance source` see: `set-src`, `set-src-port`, `set-dst`,
 * `set-dst-port` (manual, 4.2 `http-request`).
 */
import { IpAddress } from '../../core/address.js';
import { canCast, toAddress, toInt } from '../../sample/values.js';
import { type Action, type ActionDescriptor, CONNECTION_SITES, mayComeLater, type RuleWords } from '../action.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

type Side = 'source' | 'destination';

function compileSetAddress(words: RuleWords, side: Side): Action | undefined {
	const expression = words.expression();
	if (expression === undefined) return undefined;
	if (!canCast(expression.type, 'addr')) {
		return words.fail(`fetch method '${expression.text}' cannot be converted to an address`);
	}
	const site = words.context.site;
	return (stream) => {
		const value = expression.evaluate(stream);
		const address = value === undefined ? undefined : toAddress(value);
		if (address !== undefined) {
			// The port stays; undefined tells the stream so.
			if (side === 'source') stream.setSource(address, undefined);
			else stream.setDestination(address, undefined);
		} else if (value === undefined && mayComeLater(expression, stream, site)) return Verdict.YIELD;
		return Verdict.CONTINUE;
	};
}

/** "Otherwise it forces the source address to IPv4 0.0.0.0" (manual, `set-src-port`): unix sockets. */
const NO_ADDRESS = IpAddress.fromV4(0);

function setPort(stream: StreamControl, side: Side, port: number): void {
	if (side === 'source') stream.setSource(stream.session.source ?? NO_ADDRESS, port);
	else stream.setDestination(stream.session.destination ?? NO_ADDRESS, port);
}

function compileSetPort(words: RuleWords, side: Side): Action | undefined {
	const expression = words.integerExpression();
	if (expression === undefined) return undefined;
	const site = words.context.site;
	return (stream) => {
		const value = expression.evaluate(stream);
		const port = value === undefined ? undefined : toInt(value);
		// Low 16 bits, as the port of a socket address holds.
		if (port !== undefined) setPort(stream, side, Number(BigInt.asUintN(16, BigInt(port))));
		else if (value === undefined && mayComeLater(expression, stream, site)) return Verdict.YIELD;
		return Verdict.CONTINUE;
	};
}

const SITES = [...CONNECTION_SITES, 'tcp-request content', 'http-request'] as const;

export const ADDRESS_ACTIONS: readonly ActionDescriptor[] = [
	{ name: 'set-src', sites: SITES, compile: (words) => compileSetAddress(words, 'source') },
	{ name: 'set-src-port', sites: SITES, compile: (words) => compileSetPort(words, 'source') },
	{ name: 'set-dst', sites: SITES, compile: (words) => compileSetAddress(words, 'destination') },
	{ name: 'set-dst-port', sites: SITES, compile: (words) => compileSetPort(words, 'destination') },
];
