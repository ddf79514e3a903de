import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { canPasskey } from '../lib/passkey'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Icon } from '../ui/icon'
import { Ago } from '../ui/time'
import { sayFault } from '../ui/toast'

type Passkey = Schemas['Passkey']

/** One's passkeys, and the way to another. */
export function Passkeys({ onAdd }: { onAdd: () => void }) {
  const list = useQuery({ queryKey: ['me', 'passkeys'], queryFn: () => ok(api.GET('/v1/me/passkeys')) })
  const [removing, ask] = useState<Passkey | null>(null)
  const remove = useMutation({
    mutationFn: (p: Passkey) => ok<unknown>(api.DELETE('/v1/me/passkeys/{id}', { params: { path: { id: p.id } } })),
    onError: sayFault,
    onSettled: () => {
      ask(null)
      void queries.invalidateQueries({ queryKey: ['me'] })
    },
  })
  const keys = list.data?.items ?? []
  return (
    <>
      {keys.map((p) => (
        <li key={p.id} className="flex items-center gap-3.5 py-3">
          <Icon name="key" className="size-6 text-faint" />
          <div className="min-w-0 flex-1">
            <p className="flex flex-wrap items-center gap-2 font-medium">
              {p.name || t('me.passkey.title')}
              <Badge tone="good">{t('me.passkey.title')}</Badge>
            </p>
            <p className="mt-0.5 text-sm text-soft">
              {p.used_at ? <>{t('me.passkey.used')} <Ago at={p.used_at} phrase /></> : t('me.passkey.unused')}
              {p.synced && <> · {t('me.passkey.synced')}</>}
            </p>
          </div>
          <Button look="quiet" onClick={() => ask(p)}>{t('me.factor.remove')}</Button>
        </li>
      ))}
      {keys.length === 0 && list.isSuccess && (
        <li className="flex items-center gap-3.5 py-3">
          <Icon name="key" className="size-6 text-faint" />
          <div className="min-w-0 flex-1">
            <p className="flex flex-wrap items-center gap-2 font-medium">{t('me.passkey.title')}<Badge>{t('me.factor.off')}</Badge></p>
            <p className="mt-0.5 text-sm text-soft">{canPasskey() ? t('me.passkey.words') : t('me.passkey.cannot')}</p>
          </div>
          {canPasskey() && <Button onClick={onAdd}>{t('me.factor.setUp')}</Button>}
        </li>
      )}
      {keys.length > 0 && canPasskey() && <li className="py-2"><Button look="quiet" icon="plus" className="-ms-3.5" onClick={onAdd}>{t('me.passkey.add')}</Button></li>}
      <Confirm open={removing !== null} onClose={() => ask(null)} title={t('me.passkey.removeAsk')} words={t('me.passkey.removeWords')} verb={t('me.factor.remove')} busy={remove.isPending} onYes={() => removing && remove.mutate(removing)} />
    </>
  )
}
