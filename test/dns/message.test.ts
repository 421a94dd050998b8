import dns from 'dns-packet';
import fc from 'fast-check';
import t from 'tap';
import { decodeAnswer, encodeQuestion, type Question, sameName } from '../../lib/dns/message.js';
import { a, aaaa, answerTo, cname, NX, REFUSED, SERVFAIL, srv } from './support.js';

const question: Question = { id: 4711, name: 'a.test', type: 'A' };
const asked = dns.decode(encodeQuestion(question, 512));
const decode = (answers: dns.Answer[], fields = {}, of = question) =>
	decodeAnswer(answerTo(dns.decode(encodeQuestion(of, 512)), answers, fields), of);

t.test('a question asks for recursion and announces its payload', async (t) => {
	t.match(asked, { type: 'query', id: 4711, flag_rd: true, questions: [{ name: 'a.test', type: 'A', class: 'IN' }] });
	t.match(asked.additionals, [{ type: 'OPT', udpPayloadSize: 512 }]);
	t.equal(dns.decode(encodeQuestion(question, undefined)).additionals?.length, 0, 'not over TCP');
});

t.test('addresses, also behind aliases', async (t) => {
	const text = (answer: ReturnType<typeof decode>) =>
		answer.kind === 'addresses' ? answer.addresses.map(String) : answer;
	t.same(text(decode([a('a.test', '10.0.0.1'), a('A.TEST.', '10.0.0.2'), a('b.test', '10.0.0.3')])), [
		'10.0.0.1',
		'10.0.0.2',
	]);
	t.same(text(decode([cname('a.test', 'b.test'), cname('b.test', 'C.test'), a('c.test', '10.0.0.3')])), ['10.0.0.3']);
	const six: Question = { ...question, type: 'AAAA' };
	t.same(text(decode([aaaa('a.test', '2001:db8::1'), a('a.test', '10.0.0.1')], {}, six)), ['2001:db8::1']);
	t.same(text(decode([a('a.test', '10.0.0.1'), a('a.test', '10.0.0.1')])), ['10.0.0.1'], 'once each');
});

t.test('services with the addresses of their targets', async (t) => {
	const of: Question = { id: 1, name: '_http._tcp.test', type: 'SRV' };
	const answers = [srv('_http._tcp.test', 'A.test.', 80, 10), srv('_http._tcp.test', 'b.test', 81)];
	t.match(decode(answers, { additionals: [a('a.test', '10.0.0.1')] }, of), {
		kind: 'services',
		services: [
			{ target: 'A.test', port: 80, weight: 10 },
			{ target: 'b.test', port: 81, weight: 0, address: undefined },
		],
	});
	t.same(decode([srv('_http._tcp.test', '.', 0)], {}, of), { kind: 'fault', fault: 'empty' }, 'not offered (RFC 2782)');
});

t.test('faults', async (t) => {
	for (const [answers, fields, fault] of [
		[[], { rcode: NX }, 'nx'],
		[[], { rcode: REFUSED }, 'refused'],
		[[], { rcode: SERVFAIL }, 'other'],
		[[], {}, 'empty'],
		[[aaaa('a.test', '::1')], {}, 'empty'],
		[[cname('a.test', 'b.test')], {}, 'cname-error'],
		[[cname('a.test', 'b.test'), cname('b.test', 'a.test')], {}, 'cname-error'],
		[[a('a.test', '10.0.0.1')], { flags: dns.TRUNCATED_RESPONSE }, 'truncated'],
	] as const) {
		t.same(decode([...answers], fields), { kind: 'fault', fault });
	}
});

t.test('a stranger has another number, name or type, or asks itself', async (t) => {
	const answer = [a('a.test', '10.0.0.1')];
	for (const other of [
		{ ...question, id: 4712 },
		{ ...question, name: 'b.test' },
		{ ...question, type: 'AAAA' as const },
	]) {
		t.same(decodeAnswer(answerTo(dns.decode(encodeQuestion(other, 512)), answer), question), { kind: 'stranger' });
	}
	t.same(decodeAnswer(encodeQuestion(question, 512), question), { kind: 'stranger' });
	t.same(decodeAnswer(Buffer.alloc(0), question), { kind: 'stranger' });
	t.ok(sameName('A.test.', 'a.TEST'));
});

t.test('any bytes are answered, in little time', async (t) => {
	const whole = answerTo(asked, [cname('a.test', 'b.test'), a('b.test', '10.0.0.1')]);
	const seed = Date.now() & 0xffff;
	t.comment(`seed ${seed}`);
	fc.assert(
		fc.property(
			fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }),
			fc.nat(whole.length),
			(changes, length) => {
				const bytes = Buffer.from(whole.subarray(0, length));
				for (const [at, value] of changes) if (at < bytes.length && at > 1) bytes[at] = value;
				return ['addresses', 'fault', 'stranger'].includes(decodeAnswer(bytes, question).kind);
			},
		),
		{ seed, numRuns: 2000 },
	);
	// A name that points at itself.
	const loop = Buffer.concat([whole.subarray(0, 12), Buffer.from('c00c00010001', 'hex'), Buffer.alloc(40)]);
	t.match(decodeAnswer(loop, question), { kind: /fault|stranger/ });
});
