/**
 * The PROXY protocol: headers made by another implementation are read, ours are read by it, both versions whole and
 * byte by byte; what is cut, false or too long is refused.
 */
import fc from 'fast-check';
import proxyProtocol from 'proxy-protocol-js';
import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import {
	crc32c,
	HEADER_SIZE_MAX,
	type ProxyEndpoints,
	readProxyHeader,
	TlvType,
	writeProxyHeader,
	writeProxyLine,
} from '../../lib/core/proxy-protocol.js';

const address = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;
const FOUR: ProxyEndpoints = {
	source: address('192.0.2.1'),
	sourcePort: 56324,
	destination: address('198.51.100.2'),
	destinationPort: 443,
};
const SIX: ProxyEndpoints = {
	source: address('2001:db8::1'),
	sourcePort: 1,
	destination: address('2001:db8::2'),
	destinationPort: 65535,
};

function show(result: ReturnType<typeof readProxyHeader>): unknown {
	if (result === 'incomplete') return result;
	if ('malformed' in result) return `malformed: ${result.malformed}`;
	const { endpoints, version, length } = result;
	if (endpoints === undefined) return `v${version} ${length} none`;
	return `v${version} ${length} ${endpoints.source} ${endpoints.sourcePort} ${endpoints.destination} ${endpoints.destinationPort}`;
}

t.test('version 1', async (t) => {
	const rows: readonly (readonly [string, string])[] = [
		['PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET', 'v1 45 192.0.2.1 56324 198.51.100.2 443'],
		['PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n', 'v1 44 2001:db8::1 1 2001:db8::2 65535'],
		['PROXY UNKNOWN\r\n', 'v1 15 none'],
		['PROXY UNKNOWN whatever follows\r\n', 'v1 32 none'],
		['PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n', 'malformed: malformed port'],
		['PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n', 'malformed: malformed port'],
		['PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n', 'malformed: malformed address'],
		['PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n', 'malformed: malformed address'],
		['PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n', 'malformed: malformed line'],
		['PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n', 'malformed: malformed line'],
		['PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n', 'malformed: malformed line'],
		['PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n', 'malformed: malformed line'],
		['PROXX TCP4 ', 'malformed: no PROXY protocol header'],
		['GET / HTTP/1.1\r\n', 'malformed: no PROXY protocol header'],
		[`PROXY TCP4 ${'1'.repeat(120)}`, 'malformed: line too long'],
	];
	for (const [text, wanted] of rows) t.equal(show(readProxyHeader(Buffer.from(text))), wanted, JSON.stringify(text));
});

t.test('what the other implementation writes is read, and the other way round', async (t) => {
	const {
		V1ProxyProtocol,
		V2ProxyProtocol,
		INETProtocol,
		Peer,
		Command,
		TransportProtocol,
		IPv4Address,
		IPv4ProxyAddress,
	} = proxyProtocol;
	const source = new Peer(FOUR.source.toString(), FOUR.sourcePort);
	const destination = new Peer(FOUR.destination.toString(), FOUR.destinationPort);
	const line = Buffer.from(new V1ProxyProtocol(INETProtocol.TCP4, source, destination).build());
	t.match(show(readProxyHeader(line)), /^v1 \d+ 192.0.2.1 56324 198.51.100.2 443$/);
	const binary = Buffer.from(
		new V2ProxyProtocol(
			Command.PROXY,
			TransportProtocol.STREAM,
			new IPv4ProxyAddress(
				IPv4Address.createFrom(FOUR.source.toString().split('.').map(Number)),
				FOUR.sourcePort,
				IPv4Address.createFrom(FOUR.destination.toString().split('.').map(Number)),
				FOUR.destinationPort,
			),
		).build(),
	);
	t.equal(show(readProxyHeader(binary)), 'v2 28 192.0.2.1 56324 198.51.100.2 443');
	t.equal(writeProxyHeader(FOUR).toString('hex'), binary.toString('hex'));
	t.equal(writeProxyLine(FOUR).toString('latin1'), line.toString('latin1'));
	t.ok(V1ProxyProtocol.parse(writeProxyLine(SIX).toString('latin1')));
	t.ok(V2ProxyProtocol.parse(new Uint8Array(writeProxyHeader(SIX))));
});

t.test('every beginning of a header is incomplete, and nothing is read beyond its end', async (t) => {
	const fields = [
		[TlvType.AUTHORITY, Buffer.from('example.com')],
		[TlvType.CRC32C, Buffer.alloc(4)],
	] as const;
	const headers = [
		writeProxyLine(FOUR),
		writeProxyLine(SIX),
		writeProxyLine(undefined),
		writeProxyHeader(FOUR),
		writeProxyHeader(SIX, fields),
		writeProxyHeader(undefined),
	];
	for (const header of headers) {
		for (let length = 0; length < header.length; length++) {
			t.equal(show(readProxyHeader(header.subarray(0, length))), 'incomplete', `${length} of ${header.length}`);
		}
		const result = readProxyHeader(Buffer.concat([header, Buffer.from('more')]));
		t.equal(typeof result === 'object' && 'length' in result && result.length, header.length);
	}
});

t.test('fields and checksum of version 2', async (t) => {
	t.equal(crc32c(Buffer.from('123456789')), 0xe3069283, 'the check value of CRC-32C');
	const header = writeProxyHeader(FOUR, [
		[TlvType.UNIQUE_ID, Buffer.from('id-1')],
		[TlvType.CRC32C, Buffer.alloc(4)],
		[0xee, Buffer.from('first')],
		[0xee, Buffer.from('second')],
	]);
	const result = readProxyHeader(header);
	if (result === 'incomplete' || 'malformed' in result) return t.fail(String(show(result)));
	t.equal(result.fields.get(TlvType.UNIQUE_ID)?.toString(), 'id-1');
	t.equal(result.fields.get(0xee)?.toString(), 'first');
	// Save the one byte that says which field the checksum is.
	const checksumAt = header.indexOf(Buffer.from([TlvType.CRC32C, 0, 4]));
	for (let at = 16; at < header.length; at++) {
		if (at === checksumAt) continue;
		const damaged = Buffer.from(header);
		damaged[at] = (damaged[at] as number) ^ 1;
		t.match(show(readProxyHeader(damaged)), /^malformed|^incomplete/, `byte ${at}`);
	}
});

t.test('version 2 that is false', async (t) => {
	const change = (at: number, value: number): Buffer => {
		const header = writeProxyHeader(FOUR);
		header[at] = value;
		return header;
	};
	t.equal(show(readProxyHeader(change(12, 0x11))), 'malformed: unknown version 1');
	t.equal(show(readProxyHeader(change(12, 0x22))), 'malformed: unknown command 2');
	t.equal(show(readProxyHeader(change(15, 11))), 'malformed: addresses are cut off');
	t.equal(show(readProxyHeader(change(13, 0x31))), 'malformed: addresses are cut off');
	t.equal(show(readProxyHeader(change(13, 0x00))), 'malformed: a field is cut off');
	t.equal(show(readProxyHeader(change(14, 0x7f))), 'malformed: header too long', `more than ${HEADER_SIZE_MAX}`);
});

t.test('any bytes', async (t) => {
	const seed = 20_261_123;
	t.comment(`seed ${seed}`);
	const start = fc.constantFrom(
		Buffer.from('PROXY '),
		Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11', 'latin1'),
		Buffer.alloc(0),
	);
	fc.assert(
		fc.property(start, fc.uint8Array({ maxLength: 200 }), (first, rest) => {
			const bytes = Buffer.concat([first, rest]);
			const result = readProxyHeader(bytes);
			return result === 'incomplete' || 'malformed' in result || result.length <= bytes.length;
		}),
		{ seed, numRuns: 2000 },
	);
	t.pass('never throws, never reads beyond');
});
