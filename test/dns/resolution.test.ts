/** Rounds, retries, families, holds: on virtual time and a network of plain objects. */
import dns from 'dns-packet';
import t from 'tap';
import type { ResolutionFailure } from '../../lib/config/resolvers-model.js';
import type { Resolution, ResolutionKey } from '../../lib/dns/resolution.js';
import { Resolver } from '../../lib/dns/resolver.js';
import { VirtualClock } from '../backend/support.js';
import { a, aaaa, FakeNetwork, NX, REFUSED, SERVFAIL, section, srv } from './support.js';

const KEY: ResolutionKey = { name: 'a.test', kind: 'address', prefer: 4 };

function make(key: ResolutionKey = KEY, of = section()) {
	const clock = new VirtualClock();
	const network = new FakeNetwork();
	let id = 0;
	const randomId = (): number => {
		id += 7;
		return id & 0xffff;
	};
	const resolver = new Resolver(of, { clock, transport: network, randomId });
	const events: string[] = [];
	const resolution = resolver.watch(key, {
		resolved: (one: Resolution, by) =>
			events.push(`${one.addresses.join() || one.services.map((s) => s.target).join()} by ${by.model.name}`),
		lost: (_, failure: ResolutionFailure) => events.push(`lost ${failure}`),
	});
	const counters = (at = 0) => resolver.nameServers[at]!.counters;
	return { clock, network, resolver, resolution, events, counters };
}

t.test('all name servers are asked, the first valid answer counts', async (t) => {
	const { clock, network, events, counters } = make(KEY, section(['n1', 'n2']));
	t.same(network.texts(), ['n1 udp A a.test', 'n2 udp A a.test']);
	const [first, second] = network.take();
	t.not(first!.message.id, second!.message.id);
	second!.answer([a('a.test', '10.0.0.1')]);
	t.same(events, ['10.0.0.1 by n2']);
	first!.answer([a('a.test', '10.0.0.9')]);
	t.same(events, ['10.0.0.1 by n2']);
	t.match(counters(0), { sent: 1, valid: 0, outdated: 1 });
	t.match(counters(1), { sent: 1, valid: 1, outdated: 0 });
	clock.advance(999);
	t.same(network.take(), []);
	clock.advance(1);
	t.equal(network.take().length, 2, 'again after timeout resolve');
});

t.test('an invalid answer waits for the others', async (t) => {
	const { network, events } = make(KEY, section(['n1', 'n2']));
	const [first, second] = network.take();
	first!.code(NX);
	t.same(network.take(), []);
	second!.answer([a('a.test', '10.0.0.1')]);
	t.same(events, ['10.0.0.1 by n2']);
});

t.test('the other family, and who does not exist in both is not asked for again', async (t) => {
	const { clock, network, events, counters } = make({ ...KEY, prefer: 6 });
	t.same(network.texts(), ['n1 udp AAAA a.test']);
	network.take()[0]!.answer([]);
	t.same(network.texts(), ['n1 udp A a.test']);
	network.take()[0]!.answer([a('a.test', '10.0.0.1')]);
	t.same(events, ['10.0.0.1 by n1']);
	t.match(counters(), { any_err: 1, valid: 1 });
	clock.advance(1000);
	network.take()[0]!.code(NX);
	network.take()[0]!.code(NX);
	t.same(network.take(), []);
	t.equal(counters().nx, 2);
});

t.test('errors are tried resolve_retries times', async (t) => {
	const { network, resolution } = make(KEY, section(['n1'], { resolveRetries: 2 }));
	const types: string[] = [];
	for (let asked = network.take(); asked.length > 0; asked = network.take()) {
		types.push(...asked.map(({ text }) => text.split(' ')[2]!));
		asked[0]!.code(types.length % 2 === 0 ? SERVFAIL : REFUSED);
	}
	t.same(types, ['A', 'AAAA', 'A', 'AAAA']);
	t.notOk(resolution.isRunning);
});

t.test('silence: the same question again after timeout retry, and hold timeout', async (t) => {
	const { clock, network, events, counters } = make();
	network.take()[0]!.answer([a('a.test', '10.0.0.1')]);
	clock.advance(1000);
	for (let round = 0; round < 3; round++) {
		t.same(
			network.take().map(({ text }) => text),
			['n1 udp A a.test'],
		);
		clock.advance(500);
	}
	t.equal(counters().timeout, 3);
	t.same(events, ['10.0.0.1 by n1'], 'held');
	clock.advance(2500);
	t.same(events, ['10.0.0.1 by n1', 'lost timeout'], '3 s after the last valid answer');
});

t.test('nobody listens there: as silence, without a flood', async (t) => {
	const { clock, network, counters } = make();
	network.take()[0]!.fail();
	t.same(network.take(), []);
	clock.advance(500);
	t.equal(network.take().length, 1);
	t.match(counters(), { snd_error: 1, timeout: 0 });
});

t.test('hold nx counts from the last valid answer', async (t) => {
	const { clock, network, events } = make();
	network.take()[0]!.answer([a('a.test', '10.0.0.1')]);
	for (let second = 1; second <= 3; second++) {
		clock.advance(1000);
		for (let asked = network.take(); asked.length > 0; asked = network.take()) asked[0]!.code(NX);
		t.equal(events.includes('lost nx'), second === 3, `after ${second} s`);
	}
	clock.advance(1000);
	network.take()[0]!.answer([a('a.test', '10.0.0.2')]);
	t.equal(events.at(-1), '10.0.0.2 by n1');
});

t.test('hold obsolete keeps what answers no longer name', async (t) => {
	const { clock, network, events } = make(KEY, section(['n1'], { holdMs: { ...section().holdMs, obsolete: 1500 } }));
	network.take()[0]!.answer([a('a.test', '10.0.0.1'), a('a.test', '10.0.0.2')]);
	clock.advance(1000);
	network.take()[0]!.answer([a('a.test', '10.0.0.2'), a('a.test', '10.0.0.3')]);
	clock.advance(1000);
	network.take()[0]!.answer([a('a.test', '10.0.0.2')]);
	t.same(events, ['10.0.0.1,10.0.0.2 by n1', '10.0.0.1,10.0.0.2,10.0.0.3 by n1', '10.0.0.2,10.0.0.3 by n1']);
});

t.test('truncated: asked for by TCP', async (t) => {
	const { network, events, counters } = make();
	network.take()[0]!.answer([], { flags: dns.TRUNCATED_RESPONSE });
	t.same(network.texts(), ['n1 tcp A a.test']);
	const [asked] = network.take();
	t.equal(asked!.message.additionals?.length, 0);
	asked!.answer([a('a.test', '10.0.0.1')]);
	t.same(events, ['10.0.0.1 by n1']);
	t.match(counters(), { sent: 2, truncated: 1, valid: 1 });
});

t.test('guesses of strangers change nothing and end nothing', async (t) => {
	const { network, events, counters } = make();
	const [asked] = network.take();
	const { id } = asked!.message;
	for (const guess of [id! + 1, 0, 65_535]) {
		asked!.answer([a('a.test', '6.6.6.6')], { id: guess });
	}
	asked!.answer([a('b.test', '6.6.6.6')], { questions: [{ name: 'b.test', type: 'A' }] });
	t.same(events, []);
	asked!.answer([a('a.test', '10.0.0.1')]);
	t.same(events, ['10.0.0.1 by n1']);
	t.match(counters(), { valid: 1, invalid: 0 });
});

t.test('junk and what is larger than announced are errors', async (t) => {
	const { network, counters } = make(KEY, section(['n1'], { acceptedPayloadSize: 100 }));
	const [asked] = network.take();
	asked!.raw(Buffer.concat([Buffer.from([asked!.message.id! >> 8, asked!.message.id! & 255]), Buffer.alloc(20, 255)]));
	t.equal(counters().invalid, 1);
	network.take()[0]!.answer(Array.from({ length: 20 }, (_, i) => aaaa('a.test', `2001:db8::${i}`)));
	t.equal(counters().too_big, 1);
});

t.test('services', async (t) => {
	const key: ResolutionKey = { name: '_h._tcp.test', kind: 'service', prefer: 6 };
	const { network, events, clock } = make(key);
	t.same(network.texts(), ['n1 udp SRV _h._tcp.test']);
	network.take()[0]!.answer([srv('_h._tcp.test', 'a.test', 80), srv('_h._tcp.test', 'b.test', 80)]);
	t.same(events, ['a.test,b.test by n1']);
	clock.advance(1000);
	network.take()[0]!.code(NX);
	t.same(network.take(), [], 'no other family');
});

t.test('one question for all who watch a name; the last one ends it', async (t) => {
	const { resolver, resolution, network, clock } = make();
	const listener = { resolved: () => undefined, lost: () => undefined };
	t.equal(resolver.watch({ ...KEY, name: 'A.TEST.' }, listener), resolution);
	t.equal(network.asked.length, 1);
	resolver.unwatch(resolution, listener);
	network.take()[0]!.answer([a('a.test', '10.0.0.1')]);
	clock.advance(1000);
	t.equal(network.take().length, 1);
	resolver.stop();
	t.equal(clock.timerCount, 0);
});

t.test('lookups wait together, are held, and come in turn', async (t) => {
	const { resolver, network, clock } = make({ ...KEY, name: 'other.test' });
	network.take();
	const found: string[] = [];
	const lookUp = () => resolver.lookUp('x.test', 4, (address) => found.push(String(address)));
	lookUp();
	lookUp();
	const [asked, ...more] = network.take();
	t.same(more, []);
	asked!.answer([a('x.test', '10.0.0.1'), a('x.test', '10.0.0.2')]);
	t.same(found, ['10.0.0.1', '10.0.0.2']);
	clock.advance(1999);
	network.take();
	lookUp();
	t.equal(found.length, 3, 'hold valid');
	clock.advance(1);
	network.take();
	lookUp();
	for (let answers = network.take(); answers.length > 0; answers = network.take()) {
		for (const one of answers) one.code(NX);
	}
	t.same(found.slice(3), ['undefined']);
});

t.test('show resolvers', async (t) => {
	const { resolver, network } = make();
	network.take()[0]!.answer([a('a.test', '10.0.0.1')]);
	const text = [...resolver.describe()].join('');
	t.match(text, /^Resolvers section d\n nameserver n1:\n {2}sent: {8}1\n {2}snd_error: {3}0\n {2}valid: {7}1\n/);
	t.match(text, / {2}cname_error: 0\n/);
});

t.test('dns-accept-family: only families that are accepted are asked for', async (t) => {
	for (const [families, prefer, asked] of [
		[[4], 6, ['n1 udp A a.test']],
		[[6], 4, ['n1 udp AAAA a.test']],
		[[4, 6], 6, ['n1 udp AAAA a.test', 'n1 udp A a.test']],
	] as const) {
		const clock = new VirtualClock();
		const network = new FakeNetwork();
		const resolver = new Resolver(section(), { clock, transport: network, families });
		const failures: (ResolutionFailure | undefined)[] = [];
		resolver.watch(
			{ ...KEY, prefer },
			{ resolved: () => undefined, lost: () => undefined, ended: (_, failure) => failures.push(failure) },
		);
		const questions: string[] = [];
		for (let round = 0; round < 3 && failures.length === 0; round++) {
			questions.push(...network.texts());
			for (const question of network.take()) question.code(NX);
		}
		t.same(questions, asked, `${families.join()} preferring ${prefer}`);
		t.same(failures, ['nx']);
	}
});
