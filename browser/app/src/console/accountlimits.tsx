import { useMutation, useQuery } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { api, ok } from '../lib/api'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Field } from '../ui/field'
import { Rows } from '../ui/skeleton'
import { formFault, say } from '../ui/toast'
import { Sorry } from './page'

const kinds = ['holder', 'account', 'leads'] as const

/** What one account may have a second, instead of the platform's. */
export function AccountLimits({ account, onClose }: { account: { id: string; name: string }; onClose: () => void }) {
  const path = { path: { id: account.id } }
  const now = useQuery({ queryKey: ['platform', 'limits', account.id], queryFn: () => ok(api.GET('/v1/platform/accounts/{id}/limits', { params: path })) })
  const save = useMutation({
    mutationFn: (body: Partial<Record<(typeof kinds)[number], number>>) => ok(api.PUT('/v1/platform/accounts/{id}/limits', { params: path, body })),
    onSuccess: (l) => {
      queries.setQueryData(['platform', 'limits', account.id], l)
      say(t('console.people.changed'), { kind: 'good' })
      onClose()
    },
    onError: (e) => void formFault(e),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    save.mutate(Object.fromEntries(kinds.flatMap((k) => (f.get(k) ? [[k, Number(f.get(k))]] : []))))
  }
  const fields = save.isError ? faultOf(save.error).fields : {}
  return (
    <Dialog open onClose={onClose} title={account.name} words={t('console.platform.limitsWords')}>
      {now.isError ? <Sorry error={now.error} again={() => void now.refetch()} /> : !now.data ? <Rows n={3} /> : (
        <form onSubmit={submit} className="grid gap-4">
          {kinds.map((k) => <Field key={k} name={k} type="number" min={1} max={1_000_000} label={t(`console.platform.limit.${k}`)} help={t('console.platform.limitNow', { n: count(now.data.limits[k]) })} defaultValue={now.data.own[k]} fault={fields[k]} inputClass="figures" />)}
          <div className="flex justify-end gap-2"><Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" look="primary" busy={save.isPending}>{t('console.settings.save')}</Button></div>
        </form>
      )}
    </Dialog>
  )
}
