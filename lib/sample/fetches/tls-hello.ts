/**
 * Fetches from a TLS hello in bytes that are relayed as they are (manual, 7.3.5 `req.ssl_*`). A value, or that there is
 * none, is settled as soon as the hello is there or the bytes are seen to be none: rules wait no longer.
 */
import {
	alpnOf,
	type Hello,
	type HelloReading,
	namesCurves,
	readHello,
	serverNameOf,
	ticketState,
} from '../client-hello.js';
import type { FetchDescriptor, SampleType, SampleValue, StreamView } from '../types.js';
import { named } from './define.js';

/** One reading serves all fetches of a rule set that look at the same bytes. */
let lastBytes: Buffer | undefined;
let lastLength = 0;
let lastReading: HelloReading = 'incomplete';

function helloIn(bytes: Buffer | undefined): HelloReading {
	if (bytes === undefined || bytes.length === 0) return 'incomplete';
	if (bytes !== lastBytes || bytes.length !== lastLength) {
		lastReading = readHello(bytes);
		lastBytes = bytes;
		lastLength = bytes.length;
	}
	return lastReading;
}

type Side = 'request' | 'response';

const bytesOf = (stream: StreamView, side: Side): Buffer | undefined =>
	side === 'request' ? stream.requestBuffer : stream.responseBuffer;

function helloRow(
	side: Side,
	type: SampleType,
	read: (hello: Hello) => SampleValue | undefined,
	ofType: number | undefined,
): FetchDescriptor {
	return {
		name: '',
		args: [],
		type,
		needs: [side === 'request' ? 'request-bytes' : 'response-bytes'],
		compile: () => (stream) => {
			const reading = helloIn(bytesOf(stream, side));
			return typeof reading === 'string' || (ofType !== undefined && reading.type !== ofType)
				? undefined
				: read(reading);
		},
		compileSettled: () => (stream) => helloIn(bytesOf(stream, side)) !== 'incomplete',
	};
}

const fromClient = (type: SampleType, read: (hello: Hello) => SampleValue | undefined): FetchDescriptor =>
	helloRow('request', type, read, 1);

/** 3.1, TLS 1.0, is 0x30001: major and minor in 16 bits each. */
const wideVersion = (version: number): number => (version >> 8) * 65536 + (version & 0xff);

export const TLS_HELLO_FETCHES: readonly FetchDescriptor[] = [
	...named(
		['req.ssl_hello_type', 'req_ssl_hello_type'],
		helloRow('request', 'sint', (hello) => hello.type, undefined),
	),
	...named(['req.ssl_sni', 'req_ssl_sni'], fromClient('str', serverNameOf)),
	...named(
		['req.ssl_ver', 'req_ssl_ver'],
		helloRow('request', 'sint', (hello) => wideVersion(hello.version), undefined),
	),
	...named(
		['req.ssl_alpn'],
		fromClient('str', (hello) => alpnOf(hello)?.[0]),
	),
	...named(
		['req.ssl_ec_ext'],
		fromClient('bool', (hello) => (namesCurves(hello) ? true : undefined)),
	),
	...named(['req.ssl_st_ext'], fromClient('sint', ticketState)),
	...named(
		['res.ssl_hello_type', 'rep_ssl_hello_type'],
		helloRow('response', 'sint', (hello) => hello.type, 2),
	),
];
