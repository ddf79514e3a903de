import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Icon } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { Ago } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { Section } from './section'

const key = ['me', 'sessions']

/** Where one is signed in, each to be ended. */
export function Devices() {
  const list = useQuery({ queryKey: key, queryFn: () => ok(api.GET('/v1/me/sessions')) })
  const [ending, end] = useState<Schemas['Session'] | 'others' | null>(null)
  const run = useMutation({
    mutationFn: (what: Schemas['Session'] | 'others') =>
      what === 'others' ? ok<unknown>(api.DELETE('/v1/me/sessions')) : ok<unknown>(api.DELETE('/v1/me/sessions/{id}', { params: { path: { id: what.id } } })),
    onSuccess: () => say(t('me.device.ended'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      end(null)
      void queries.invalidateQueries({ queryKey: key })
    },
  })
  const items = list.data?.items ?? []
  return (
    <Section
      title={t('me.device.title')}
      words={t('me.device.words')}
      action={items.length > 1 && <Button look="quiet" onClick={() => end('others')}>{t('me.device.endOthers')}</Button>}
    >
      {list.isPending && <Rows n={2} tall />}
      <ul className="divide-y divide-line border-y border-line">
        {items.map((s) => (
          <li key={s.id} className="flex items-center gap-3.5 py-3">
            <Icon name="device" className="size-6 text-faint" />
            <div className="min-w-0 flex-1">
              <p className="flex flex-wrap items-center gap-2 font-medium">
                {s.device ?? t('me.device.unknown')}
                {s.current && <Badge tone="good">{t('me.device.this')}</Badge>}
              </p>
              <p className="mt-0.5 text-sm text-soft">
                {s.network && <><span className="ltr figures">{s.network}</span> · </>}
                {t('me.device.seen')} <Ago at={s.seen_at} phrase />
                {' · '}
                {s.factors.map((f) => tOf('factor.name', f.factor)).join(', ')}
              </p>
            </div>
            {!s.current && <Button look="quiet" onClick={() => end(s)}>{t('me.device.end')}</Button>}
          </li>
        ))}
      </ul>
      <Confirm
        open={ending !== null}
        onClose={() => end(null)}
        title={ending === 'others' ? t('me.device.endOthersAsk') : t('me.device.endAsk')}
        words={t('me.device.endWords')}
        verb={t('me.device.end')}
        busy={run.isPending}
        onYes={() => ending && run.mutate(ending)}
      />
    </Section>
  )
}
