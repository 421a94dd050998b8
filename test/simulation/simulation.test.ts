/** A few hundred of the clusters of `npm run simulate`; a failing seed is replayed with `npm run simulate -- <seed>`. */
import t from 'tap';
import { runSeed } from './scenario.js';

const SEED_COUNT = 200;

for (const first of [1, 101]) {
	t.test(`clusters from the seeds ${first} to ${first + SEED_COUNT / 2 - 1}`, async (t) => {
		const kinds = new Map<string, number>();
		for (let seed = first; seed < first + SEED_COUNT / 2; seed++) {
			const { failures, kind } = runSeed(seed);
			kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
			if (failures.length > 0) t.fail(`seed ${seed}, ${kind}`, { failures: failures.slice(0, 5) });
		}
		t.ok(kinds.size === 4 && [...kinds.values()].every((count) => count > 5), 'every kind of run occurred');
	});
}
