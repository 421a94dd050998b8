/** Headers of a NetScaler, both kinds and both families, whole and byte by byte, and what is none. */
import t from 'tap';
import { readCipHeader } from '../../lib/core/netscaler-cip.js';

const MAGIC = 0x12345678;
const TCP = `${'3039'}${'0050'}${'00'.repeat(16)}`;
const IPV4 = `45000028000000004006${'0000'}c0000201${'c6336402'}${TCP}`;
const IPV6 = `6000000000140640${'20010db8000000000000000000000001'}${'20010db8000000000000000000000002'}${TCP}`;
const hex = (number: number, bytes: number): string => number.toString(16).padStart(bytes * 2, '0');
const legacy = (packet: string): string => hex(MAGIC, 4) + hex(packet.length / 2, 4) + packet;
const standard = (packet: string): string =>
	hex(MAGIC, 4) + hex(packet.length / 2 + 12, 4) + hex(1, 2) + hex(packet.length / 2, 2) + packet;

t.test('both forms, of IPv4 and IPv6', async (t) => {
	const rows = [
		['legacy', legacy(IPV4), '192.0.2.1', '198.51.100.2'],
		['standard', standard(IPV4), '192.0.2.1', '198.51.100.2'],
		['legacy IPv6', legacy(IPV6), '2001:db8::1', '2001:db8::2'],
		['standard IPv6', standard(IPV6), '2001:db8::1', '2001:db8::2'],
	] as const;
	for (const [name, text, source, destination] of rows) {
		const bytes = Buffer.from(`${text}474554`, 'hex');
		const size = bytes.length - 3;
		for (let length = 0; length < size; length++) {
			t.equal(readCipHeader(bytes.subarray(0, length), MAGIC), 'incomplete', `${name}: ${length} bytes`);
		}
		const result = readCipHeader(bytes, MAGIC);
		if (result === 'incomplete' || 'malformed' in result) throw new Error(JSON.stringify(result));
		const { endpoints } = result;
		t.equal(result.length, size, name);
		t.equal(endpoints.source.toString(), source, name);
		t.equal(endpoints.destination.toString(), destination, name);
		t.equal(endpoints.sourcePort, 12345, name);
		t.equal(endpoints.destinationPort, 80, name);
	}
});

t.test('what is no header, or does not fit', async (t) => {
	const rows: readonly (readonly [name: string, text: string, malformed: string])[] = [
		['another magic', legacy(IPV4).replace(/^.{8}/, '00000001'), 'wrong magic number'],
		['another protocol', Buffer.from('GET / HTTP/1.1').toString('hex'), 'wrong magic number'],
		['a length of gigabytes', `${hex(MAGIC, 4)}7fffffff45`, 'headers too long'],
		['an unknown type', standard(IPV4).replace(/^(.{16})0001/, '$10002'), 'unknown type'],
		['UDP', legacy(IPV4.replace('4006', '4011')), 'no headers of IP and TCP'],
		['no room for TCP', legacy(IPV4.slice(0, 60)), 'no headers of IP and TCP'],
		['an IP header longer than all', legacy(IPV4.replace(/^45/, '4f')), 'no headers of IP and TCP'],
		['IP of another version', legacy(IPV4.replace(/^45/, '55')), 'no headers of IP and TCP'],
	];
	for (const [name, text, malformed] of rows) {
		t.same(readCipHeader(Buffer.from(text, 'hex'), MAGIC), { malformed }, name);
	}
});
