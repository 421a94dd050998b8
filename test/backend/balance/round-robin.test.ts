import t from 'tap';
import type { Backend } from '../../../lib/backend/backend.js';
import { ServerOperation } from '../../../lib/shared/server-state.js';
import { backendModel, pick, sequence, single, threads, weighted } from '../support.js';

const order = (names: readonly string[]) => names.map((name) => name.slice(1)).join('');

t.test('the order of HAProxy 2.6 from a fresh start', async (t) => {
	const rows: readonly (readonly [weights: number[], order: string])[] = [
		[[1, 1, 1], '123123123123'],
		[[1, 2, 3], '323132323132'],
		[[3, 2, 1], '121312121312'],
		[[10, 100], '222222222212222222222122'],
		[[5, 1, 1], '1112113111211311'],
		[[1, 1, 1, 1, 4], '5152535451525354'],
		[[100, 50, 25], '112131211213121'],
		[[0, 1, 2], '332332332'],
		[[7, 3], '11121121121112'],
	];
	for (const [weights, expected] of rows) {
		const { backend } = single(backendModel(weighted(...weights)));
		t.equal(order(sequence(backend, expected.length)), expected, weights.join(' '));
	}
});

t.test('all threads walk one round', async (t) => {
	const alone = single(backendModel(weighted(1, 2, 3))).backend;
	const { backends } = threads(3, backendModel(weighted(1, 2, 3)));
	const expected = sequence(alone, 60);
	t.same(
		expected.map((_, at) => pick(backends[(at * 7) % 3] as Backend)),
		expected,
	);
});

t.test('exact shares in each cycle, whatever the weights', async (t) => {
	for (const weights of [
		[13, 17, 19, 23, 200],
		[256, 1, 255],
		[3, 3, 1],
	]) {
		const { backend } = single(backendModel(weighted(...weights)));
		const total = weights.reduce((sum, weight) => sum + weight, 0);
		for (let cycle = 0; cycle < 3; cycle++) {
			const picks = sequence(backend, total);
			t.same(
				weights.map((_, index) => picks.filter((name) => name === `s${index + 1}`).length),
				weights,
				`cycle ${cycle}`,
			);
		}
	}
});

t.test('a server that went and came back has its share, no more and no less', async (t) => {
	const { backend } = single(backendModel(weighted(2, 1, 1)));
	sequence(backend, 7);
	for (let flap = 0; flap < 5; flap++) {
		backend.states.setOperation(0, ServerOperation.DOWN, 0);
		const without = sequence(backend, 40);
		t.equal(without.filter((name) => name === 's2').length, 20);
		backend.states.setOperation(0, ServerOperation.UP, 0);
		const picks = sequence(backend, 400);
		const share = picks.filter((name) => name === 's1').length;
		t.ok(Math.abs(share - 200) <= 2, `${share} of 400`);
		t.ok(picks.slice(0, 4).includes('s1'), 'and soon');
	}
});

t.test('a change of weight takes effect at once', async (t) => {
	const { backend } = single(backendModel(weighted(1, 1)));
	sequence(backend, 9);
	backend.states.setWeight(0, 3);
	const picks = sequence(backend, 400);
	const share = picks.filter((name) => name === 's1').length;
	t.ok(Math.abs(share - 300) <= 2, `${share} of 400`);
	backend.states.setWeight(0, 0);
	t.same([...new Set(sequence(backend, 20))], ['s2']);
});

t.test('the clock starts again before it leaves 32 bits, and nobody notices', async (t) => {
	const fresh = single(backendModel(weighted(1, 2, 3))).backend;
	const old = single(backendModel(weighted(1, 2, 3))).backend;
	sequence(old, 6);
	sequence(fresh, 6);
	const { states } = old;
	const shift = 2 ** 30 - 20 - states.roundTime();
	for (const server of old.servers)
		states.setPosition(server.index, states.position(server.index) + shift, states.remainder(server.index));
	states.setRoundTime(states.roundTime() + shift);
	t.same(sequence(old, 60), sequence(fresh, 60));
	t.ok(states.roundTime() < 100);
});

t.test('a server that comes back waits until all others had a turn, as seen in HAProxy 2.6', async (t) => {
	const rows: readonly (readonly [
		weights: number[],
		before: string,
		away: number,
		meanwhile: string,
		after: string,
	])[] = [
		[[1, 1, 1], '123', 3, '1212', '123123123'],
		[[1, 1, 1], '1231', 3, '2121', '213213213'],
		[[1, 1, 1], '123', 1, '23232', '321321321'],
		[[1, 1, 1, 1], '1234', 2, '134', '134213421342'],
		[[1, 1, 1, 1], '1234', 2, '13413', '413241324132'],
		[[10, 10, 10], '123123', 2, '13131', '312312312312'],
		[[1, 1], '12', 2, '111', '121212'],
		[[1, 1, 1], '', 3, '1212', '123123123'],
	];
	for (const [weights, before, away, meanwhile, after] of rows) {
		const { backend } = single(backendModel(weighted(...weights)));
		const seen = [order(sequence(backend, before.length))];
		backend.states.setOperation(away - 1, ServerOperation.DOWN, 0);
		seen.push(order(sequence(backend, meanwhile.length)));
		backend.states.setOperation(away - 1, ServerOperation.UP, 0);
		seen.push(order(sequence(backend, after.length)));
		t.same(seen, [before, meanwhile, after], `${weights.join(' ')}: ${away} away`);
	}
});
