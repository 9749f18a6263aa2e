"""Learning from rewards: ask, sample, judge, weigh every token, learn, hand the weights over.

Reading order: types, prompts, rollout, episodes, reward, shaping, advantages, algorithms, losses,
batches, learner, routes, curriculum, state, record, dashboard, report, run; parity beside them.
The learner is blind to algorithms: a sample carries an advantage and a weight for every token.
Single process; what would be spread over many is behind Sampler (rollout) and learn (learner).
"""
