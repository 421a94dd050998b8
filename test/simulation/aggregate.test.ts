/** Some of the clusters of `npm run simulate:sums`; a failing seed is replayed with `npm run simulate:sums -- <seed>`. */
import t from 'tap';
import { runSumsSeed } from './aggregate-scenario.js';

const SEED_COUNT = 100;

t.test(`summing clusters from the seeds 1 to ${SEED_COUNT}`, async (t) => {
	const kinds = new Map<string, number>();
	for (let seed = 1; seed <= SEED_COUNT; seed++) {
		const { failures, kind } = runSumsSeed(seed);
		kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
		if (failures.length > 0) t.fail(`seed ${seed}, ${kind}`, { failures: failures.slice(0, 5) });
	}
	t.ok(kinds.size === 5 && [...kinds.values()].every((count) => count > 5), 'every kind of run occurred');
});
