import { useState } from 'react'
import { full, span } from '../../lib/format'
import { NoPasskey } from '../../lib/passkey'
import { t } from '../../lib/words'
import { Button } from '../../ui/button'
import { Icon } from '../../ui/icon'
import { again, lease, unlock } from './keeper'
import type { State } from './state'

/** In the place of the desk while what is kept is shut: how to open it, or why it stays so. */
export default function Gate({ state }: { state: State }) {
  const [busy, work] = useState(false)
  const [wrong, say] = useState(false)
  const run = (f: () => Promise<boolean>) => async () => {
    work(true)
    say(false)
    try {
      say(!(await f()))
    } catch (e) {
      if (!(e instanceof NoPasskey)) say(true)
    } finally {
      work(false)
    }
  }
  const over = state.is === 'over'
  const passkey = state.is === 'locked' && state.passkey
  return (
    <main className="mx-auto flex max-w-110 flex-col items-center px-6 pt-[14dvh] pb-16 text-center">
      <span className="grid size-24 place-items-center rounded-full bg-sunken text-soft"><Icon name={over ? 'clock' : 'lock'} className="size-11" /></span>
      <h1 className="mt-6 text-xl font-semibold tracking-tight">{over ? t('desk.local.over.title') : t('desk.away')}</h1>
      {over ? (
        <>
          <p className="mt-2 text-soft">{t('desk.local.over.words', { span: span(lease()), at: full(state.since) })}</p>
          <p className="mt-3 text-sm text-soft">{t('desk.local.over.honest')}</p>
        </>
      ) : (
        <p className="mt-2 text-soft">{passkey ? t('desk.local.locked.passkey') : t('desk.local.locked.without')}</p>
      )}
      {wrong && <p role="alert" className="mt-4 text-sm text-lost">{passkey ? t('desk.local.locked.wrong') : t('desk.local.locked.still')}</p>}
      <div className="mt-8 flex w-full flex-col gap-2">
        {passkey && <Button look="primary" wide icon="key" busy={busy} onClick={run(unlock)}>{t('desk.local.locked.unlock')}</Button>}
        <Button look={passkey ? 'quiet' : 'primary'} wide busy={!passkey && busy} disabled={busy} onClick={run(again)}>{t('desk.local.locked.again')}</Button>
      </div>
    </main>
  )
}
