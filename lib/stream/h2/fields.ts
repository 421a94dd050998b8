/**
 * Fields of a head or of trailers as Node's http2 wants them: an object, lists where a name comes more than once.
 *
 * Names of one connection are not among them (RFC 9113, section 8.2.2). Of names that Node takes only once, such
 * as `content-type`, the first counts: Node would throw at the second.
 */
import type { OutgoingHttpHeaders } from 'node:http2';
import type { HeaderList, ResponseHead } from '../../http/message.js';
import { CONNECTION_FIELDS } from './request-head.js';

export type H2Fields = OutgoingHttpHeaders;

/** As Node has them (kSingleValueHeaders); a test looks that it still takes all other names twice. */
const SINGLE: ReadonlySet<string> = new Set([
	'access-control-allow-credentials',
	'access-control-max-age',
	'access-control-request-method',
	'age',
	'authorization',
	'content-encoding',
	'content-language',
	'content-length',
	'content-location',
	'content-md5',
	'content-range',
	'content-type',
	'date',
	'dnt',
	'etag',
	'expires',
	'from',
	'host',
	'if-match',
	'if-modified-since',
	'if-none-match',
	'if-range',
	'if-unmodified-since',
	'last-modified',
	'location',
	'max-forwards',
	'proxy-authorization',
	'range',
	'referer',
	'retry-after',
	'tk',
	'upgrade-insecure-requests',
	'user-agent',
	'x-content-type-options',
]);

/** Without a prototype: `__proto__` is a name like others. */
function newFields(): H2Fields {
	return Object.create(null) as H2Fields;
}

export function addField(fields: H2Fields, name: string, value: string): void {
	const known = fields[name];
	if (known === undefined) fields[name] = value;
	else if (SINGLE.has(name)) return;
	else if (Array.isArray(known)) known.push(value);
	else fields[name] = [String(known), value];
}

/** `isTunnel`: 101 is said as 200 (RFC 8441, section 5), and has no length. */
export function responseFields(head: ResponseHead, isTunnel: boolean): H2Fields {
	const fields = newFields();
	fields[':status'] = isTunnel && head.status === 101 ? 200 : head.status;
	const { names, values } = head.headers;
	for (let i = 0; i < names.length; i++) {
		const name = names[i] as string;
		if (CONNECTION_FIELDS.has(name)) continue;
		if (isTunnel && (name === 'content-length' || name === 'sec-websocket-accept')) continue;
		addField(fields, name, values[i] as string);
	}
	return fields;
}

export function trailerFields(trailers: HeaderList): H2Fields {
	const fields = newFields();
	const { names, values } = trailers;
	for (let i = 0; i < names.length; i++) {
		const name = names[i] as string;
		if (!CONNECTION_FIELDS.has(name)) addField(fields, name, values[i] as string);
	}
	return fields;
}
