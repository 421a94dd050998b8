/**
 * `option forwarded`: the header `Forwarded` (RFC 7239) that tells a server whom the request came from, in one field
 * where X-Forwarded-For, -Proto and -Host are three (manual of HAProxy 2.8, 4.2 `option forwarded`).
 *
 * The line is read once into the parts that it asks for, in the order of the field: proto, host, by, for. What
 * stands after `-expr` is an expression evaluated per request. A node is an address, or a name that hides one, which
 * begins with `_` (RFC 7239, section 6.3); what can be neither is left out, for a server must be able to trust the field.
 */
import type { Line } from '../config/model.js';
import { IpAddress } from '../core/address.js';
import { parseExpression } from '../sample/expression.js';
import type { CompileContext, Expression, SampleValue } from '../sample/types.js';
import { castTo } from '../sample/values.js';
import type { Stream } from './stream.js';

/** Where the value of a part comes from: the connection and the request themselves, or an expression. */
type Source = 'own' | Expression;

type Part = 'host' | 'by' | 'by_port' | 'for' | 'for_port';

const PARTS: readonly Part[] = ['host', 'by', 'by_port', 'for', 'for_port'];

/** RFC 7239, section 6.3. */
const HIDDEN = /^_[A-Za-z0-9._-]+$/;
/** RFC 9110, section 7.2: what may stand in Host, without what would end a quoted string. */
const HOST = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

export class ForwardedHeader {
	readonly #proto: boolean;
	readonly #sources: ReadonlyMap<Part, Source>;

	constructor(proto: boolean, sources: ReadonlyMap<Part, Source>) {
		this.#proto = proto;
		this.#sources = sources;
	}

	/** The value of the field; undefined when no part of it is known. */
	render(stream: Stream): string | undefined {
		const { session } = stream;
		const parts: string[] = [];
		if (this.#proto) parts.push(`proto=${session.isTls ? 'https' : 'http'}`);
		const host = this.#host(stream);
		if (host !== undefined) parts.push(`host="${host}"`);
		const by = this.#node(stream, 'by', 'by_port', session.destination, session.destinationPort);
		if (by !== undefined) parts.push(`by=${by}`);
		const from = this.#node(stream, 'for', 'for_port', session.source, session.sourcePort);
		if (from !== undefined) parts.push(`for=${from}`);
		return parts.length === 0 ? undefined : parts.join(';');
	}

	#host(stream: Stream): string | undefined {
		const source = this.#sources.get('host');
		if (source === undefined) return undefined;
		const host = source === 'own' ? stream.request?.headers.get('host') : textOf(source.evaluate(stream));
		return host !== undefined && HOST.test(host) ? host : undefined;
	}

	/** A node with its port; quoted where it is no token (section 4). */
	#node(stream: Stream, part: Part, portPart: Part, address: IpAddress | undefined, port: number): string | undefined {
		const source = this.#sources.get(part);
		if (source === undefined) return undefined;
		// The other end of a unix socket has no address.
		const name = source === 'own' ? (nodeOf(address) ?? 'unknown') : nodeOf(source.evaluate(stream));
		if (name === undefined) return undefined;
		const portSource = this.#sources.get(portPart);
		if (portSource === undefined) return name.startsWith('[') ? `"${name}"` : name;
		const portText = portOf(portSource === 'own' ? port : portSource.evaluate(stream));
		if (portText === undefined) return name.startsWith('[') ? `"${name}"` : name;
		return `"${name}:${portText}"`;
	}
}

function textOf(value: SampleValue | undefined): string | undefined {
	const text = value === undefined ? undefined : castTo('str', value);
	return typeof text === 'string' ? text : undefined;
}

function nodeOf(value: SampleValue | undefined): string | undefined {
	if (value instanceof IpAddress) return value.family === 6 ? `[${value}]` : value.toString();
	const text = textOf(value);
	if (text === undefined || text === '') return undefined;
	const address = IpAddress.parse(text);
	if (address !== undefined) return nodeOf(address);
	return hiddenName(text);
}

function portOf(value: SampleValue | undefined): string | undefined {
	const text = textOf(value);
	if (text === undefined || text === '') return undefined;
	if (/^\d{1,5}$/.test(text)) return Number(text) <= 65535 ? text : undefined;
	return hiddenName(text);
}

function hiddenName(text: string): string | undefined {
	const name = text.startsWith('_') ? text : `_${text}`;
	return HIDDEN.test(name) ? name : undefined;
}

/** Reads the words after `option forwarded`; undefined after an error. */
export function compileForwardedHeader(line: Line, context: CompileContext): ForwardedHeader | undefined {
	const { words, place } = line;
	const fail = (reason: string): undefined => {
		context.diagnostics.alert(place, `'option forwarded' : ${reason}.`);
	};
	if (words.length === 0) return new ForwardedHeader(true, new Map([['for', 'own']]));
	const sources = new Map<Part, Source>();
	let proto = false;
	for (let i = 0; i < words.length; ) {
		const word = words[i++] as string;
		if (word === 'proto') {
			proto = true;
			continue;
		}
		const part = PARTS.find((name) => word === name || word === `${name}-expr`);
		if (part === undefined) {
			return fail(
				`unknown argument '${word}'; it takes 'proto', and each of ${PARTS.map((name) => `'${name}'`).join(', ')} as it is or as '<name>-expr <expression>'`,
			);
		}
		if (word === part) {
			sources.set(part, 'own');
			continue;
		}
		const parsed = parseExpression(words, i, context);
		if ('error' in parsed) return fail(`${word} : ${parsed.error}`);
		sources.set(part, parsed.expression);
		i = parsed.next;
	}
	for (const node of ['by', 'for'] as const) {
		if (sources.has(`${node}_port`) && !sources.has(node)) {
			return fail(`'${node}_port' needs '${node}' or '${node}-expr'`);
		}
	}
	return new ForwardedHeader(proto, sources);
}
