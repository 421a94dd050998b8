/** Two nodes of one name, seen by how often their connections replace each other. */
import t from 'tap';
import { Peer } from '../../lib/peers/peer.js';
import { hasRival } from '../../lib/peers/rivals.js';

const peer = (): Peer => new Peer({ name: 'b', address: undefined, isLocal: false, shard: 0, isDisabled: false }, []);

/** At which of these moments it is said. */
const said = (moments: readonly number[]): number[] => {
	const one = peer();
	return moments.filter((nowMs) => hasRival(one, nowMs));
};

t.test('said at the fifth time within a minute, and again after an hour', async (t) => {
	t.same(said([0, 2000, 4000, 6000]), []);
	t.same(said([0, 2000, 4000, 6000, 8000, 10_000]), [8000]);
	const everySecond = Array.from({ length: 2 * 3600 }, (_, second) => second * 1000);
	t.same(said(everySecond), [4000, 3_604_000]);
});

t.test('a peer that loses its connection now and then has none', async (t) => {
	t.same(said(Array.from({ length: 100 }, (_, i) => i * 20_000)), []);
});
