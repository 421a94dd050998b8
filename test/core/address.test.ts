/** Addresses against ipaddr.js, written by others: what both read is the same, what both print is the same. */
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import t from 'tap';
import { formatSocketAddress, formatV6, IpAddress, parseV4, parseV6 } from '../../lib/core/address.js';

const SEED = 20_260_102;

const v4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Zero groups are what makes IPv6 texts differ, so they are frequent here. */
const v6Bytes = fc
	.array(fc.oneof(fc.constant([0, 0]), fc.tuple(fc.nat(255), fc.nat(255)), fc.constant([0xff, 0xff])), {
		minLength: 8,
		maxLength: 8,
	})
	.map((groups) => Uint8Array.from(groups.flat()));

const check = (property: fc.IProperty<[Uint8Array]> | fc.IProperty<[string]> | fc.IProperty<[Uint8Array, number]>) =>
	fc.assert(property as fc.IProperty<unknown[]>, { seed: SEED, numRuns: 2000 });

t.test('IPv4 texts', async (t) => {
	check(
		fc.property(v4Bytes, (bytes) => {
			const text = [...bytes].join('.');
			const address = IpAddress.parse(text);
			return address?.family === 4 && address.toString() === text && Buffer.from(bytes).equals(address.toBytes());
		}),
	);
	for (const bad of [
		'',
		'1',
		'1.2.3',
		'1.2.3.4.5',
		'1.2.3.256',
		'1..3.4',
		'.1.2.3',
		'1.2.3.',
		'01.2.3.4',
		'1.2.3.4 ',
		'0x1.2.3.4',
		'-1.2.3.4',
	]) {
		t.equal(parseV4(bad), undefined, `'${bad}' is refused`);
	}
	t.equal(parseV4('255.255.255.255'), 0xffffffff);
	t.equal(parseV4('0.0.0.0'), 0);
});

t.test('IPv6 texts', async (t) => {
	check(
		fc.property(v6Bytes, (bytes) => {
			const theirs = ipaddr.fromByteArray([...bytes]);
			// Ours prints as inet_ntop does, theirs without dots: compare what they mean, and reading of both forms.
			const ours = formatV6(bytes);
			const readBack = [ours, theirs.toString(), theirs.toNormalizedString()].map((text) => parseV6(text));
			return readBack.every((read) => read !== undefined && Buffer.from(read).equals(Buffer.from(bytes)));
		}),
	);
	check(
		fc.property(v6Bytes, (bytes) => {
			const text = formatV6(bytes);
			return (
				text.includes('.') || text === ipaddr.IPv6.prototype.toRFC5952String.call(ipaddr.fromByteArray([...bytes]))
			);
		}),
	);
	const shapes: readonly (readonly [string, string])[] = [
		['::', '::'],
		['::1', '::1'],
		['1::', '1::'],
		['2001:DB8::1', '2001:db8::1'],
		['0:0:0:0:0:0:0:0', '::'],
		['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
		['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
		['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
		['::1.2.3.4', '::1.2.3.4'],
		['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
	];
	for (const [text, shown] of shapes) t.equal(IpAddress.parse(text)?.toString(), shown, text);
	for (const bad of [
		'',
		':',
		':::',
		'1',
		'1:2',
		'1::2::3',
		'12345::',
		'::g',
		'1:2:3:4:5:6:7',
		'1:2:3:4:5:6:7:8:9',
		'1:2:3:4:5:6:7::8',
		'::1%eth0',
		'::1.2.3',
		'1.2.3.4::',
		'::1 ',
	]) {
		t.equal(parseV6(bad), undefined, `'${bad}' is refused`);
	}
});

t.test('any text: both accept it or neither', async (t) => {
	const texts = fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.:.:'), maxLength: 24 });
	check(
		fc.property(texts, (text) => {
			const theirs = /^[0-9.]*$/.test(text) ? ipaddr.IPv4.isValidFourPartDecimal(text) : ipaddr.IPv6.isValid(text);
			const ours = IpAddress.parse(text) !== undefined;
			// They read leading zeroes, and `::` for a single group; inet_pton does only the second.
			if (ours === theirs) return true;
			return theirs && !ours && (/(^|[:.])0\d/.test(text) || text.includes('::'));
		}),
	);
	t.pass(`seed ${SEED}`);
});

t.test('masks', async (t) => {
	check(
		fc.property(v4Bytes, fc.nat(32), (bytes, length) => {
			const address = IpAddress.parse([...bytes].join('.'));
			const network = ipaddr.IPv4.networkAddressFromCIDR(`${[...bytes].join('.')}/${length}`);
			return address?.mask(length).toString() === network.toString();
		}),
	);
	check(
		fc.property(v6Bytes, fc.nat(128), (bytes, length) => {
			const text = ipaddr.fromByteArray([...bytes]).toString();
			const network = ipaddr.IPv6.networkAddressFromCIDR(`${text}/${length}`);
			return Buffer.from(network.toByteArray()).equals(Buffer.from(IpAddress.fromV6(bytes).mask(length).toBytes()));
		}),
	);
	t.pass(`seed ${SEED}`);
});

t.test('from one family to the other', async (t) => {
	const v4 = IpAddress.fromV4(0x01020304);
	t.equal(v4.toV6().toString(), '::ffff:1.2.3.4');
	t.equal(v4.toV4(), v4);
	for (const text of ['::ffff:1.2.3.4', '::1.2.3.4', '2002:102:304::']) {
		t.equal(IpAddress.parse(text)?.toV4()?.toString(), '1.2.3.4', text);
	}
	t.equal(IpAddress.parse('2001:db8::1')?.toV4(), undefined, 'an address that is IPv6 only');
	t.equal(IpAddress.parse('2002:102:304::1')?.toV4(), undefined, '6to4 with a host part');
});

t.test('equality', async (t) => {
	const parse = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;
	t.ok(parse('1.2.3.4').equals(parse('1.2.3.4')));
	t.notOk(parse('1.2.3.4').equals(parse('1.2.3.5')));
	t.ok(parse('::1').equals(parse('0::1')));
	t.notOk(parse('::1').equals(parse('::2')));
	t.notOk(parse('1.2.3.4').equals(parse('::ffff:1.2.3.4')), 'families differ');
});

t.test('socket addresses as messages show them', async (t) => {
	t.equal(formatSocketAddress({ kind: 'ip', address: '1.2.3.4', family: 4, port: 80 }), '1.2.3.4:80');
	t.equal(formatSocketAddress({ kind: 'ip', address: '::1', family: 6, port: 80 }), '[::1]:80');
	t.equal(formatSocketAddress({ kind: 'name', host: 'a.b', family: undefined, port: 80 }), 'a.b:80');
	t.equal(formatSocketAddress({ kind: 'unix', path: '/x', abstract: false }), 'unix@/x');
	t.equal(formatSocketAddress({ kind: 'unix', path: 'x', abstract: true }), 'abns@x');
	t.equal(formatSocketAddress({ kind: 'fd', fd: 3 }), 'fd@3');
});
